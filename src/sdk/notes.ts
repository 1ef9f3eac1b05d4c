/** Things to tell about a run, also before there is somebody to tell them to. */
export class Notes {
  private waiting: string[] = [];
  private sink: ((text: string) => void) | undefined;

  tell(text: string): void {
    if (this.sink) this.sink(text);
    else this.waiting.push(text);
  }

  /** What has been told so far goes there, and all that follows. */
  connect(sink: (text: string) => void): void {
    this.sink = sink;
    for (const text of this.waiting.splice(0)) sink(text);
  }
}
