import type { SeededRandom } from '../seeded-random.ts'

/** A sample of the exponential distribution with mean 1. */
export function exponential (random: SeededRandom): number {
  return -Math.log(1 - random.next())
}

/** A sample of the standard normal distribution, by the Box-Muller transform. */
export function normal (random: SeededRandom): number {
  return Math.sqrt(2 * exponential(random)) * Math.cos(2 * Math.PI * random.next())
}
