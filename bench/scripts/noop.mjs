/** The no-op of the benchmarks in JavaScript, for the comparison with piscina. */
export function run(miniBatch) {
  return miniBatch;
}
