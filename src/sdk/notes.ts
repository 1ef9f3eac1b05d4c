/** Things to tell about a run, also before there is somebody to tell them to. */
export class Notes<T = string> {
  private waiting: T[] = [];
  private sink: ((note: T) => void) | undefined;

  tell(note: T): void {
    if (this.sink) this.sink(note);
    else this.waiting.push(note);
  }

  /** Told, and with nobody yet to hear it. */
  get pending(): readonly T[] {
    return this.waiting;
  }

  get hasSink(): boolean {
    return this.sink !== undefined;
  }

  /** What has been told so far goes there, and all that follows. */
  connect(sink: (note: T) => void): void {
    this.sink = sink;
    for (const note of this.waiting.splice(0)) sink(note);
  }
}
