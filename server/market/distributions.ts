import type { Random } from '../seeded-random.ts'

/** A number of the mean 1 that is not negative, and mostly small: how long one waits for what comes by chance. */
export function exponential (random: Random): number {
  return -Math.log(1 - random.next())
}

/** A number of the mean 0 and the standard deviation 1, by the transformation of Box and Muller. */
export function normal (random: Random): number {
  return Math.sqrt(2 * exponential(random)) * Math.cos(2 * Math.PI * random.next())
}
