/** A row for each mini-batch, whatever it is. */
export function run() {
  return ['row'];
}
