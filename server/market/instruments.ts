import type { SeededRandom } from '../seeded-random.ts'
import { normal } from './distributions.ts'

export interface Instrument {
  /** Four capital letters. */
  readonly symbol: string
  readonly name: string
  readonly sector: string
  /** Value of the company relative to the others; most are about 1. */
  readonly size: number
  /** Opening price. */
  readonly open: number
}

const STEMS = [
  'Alv', 'Bryn', 'Cald', 'Dorn', 'Elst', 'Farn', 'Gild', 'Holm', 'Ister', 'Jarn', 'Kest', 'Lund', 'Marv', 'Nors', 'Osk',
  'Perr', 'Quell', 'Rusk', 'Sorl', 'Tarn', 'Ulv', 'Vang', 'Welk', 'Yarl', 'Zell'
]

/** The last letter of a symbol identifies its sector. */
export const SECTORS = [
  { sector: 'Energy', letter: 'X', ending: 'ex Power' },
  { sector: 'Software', letter: 'Z', ending: 'az Systems' },
  { sector: 'Health', letter: 'Y', ending: 'y Clinics' },
  { sector: 'Industry', letter: 'V', ending: 'ov Works' },
  { sector: 'Finance', letter: 'K', ending: ' Bank' },
  { sector: 'Transport', letter: 'W', ending: 'way Lines' },
  { sector: 'Food', letter: 'F', ending: 'field Foods' },
  { sector: 'Materials', letter: 'Q', ending: 'quist Metals' }
]

/** Every pair of a stem and a sector is used once, because the lengths of the two lists have no common factor. */
export const MAX_INSTRUMENTS = STEMS.length * SECTORS.length

/** Invents instruments. @param count up to `MAX_INSTRUMENTS` */
export function makeInstruments (count: number, random: SeededRandom): Instrument[] {
  return Array.from({ length: count }, (_, index) => {
    const stem = STEMS[index % STEMS.length]!
    const { sector, letter, ending } = SECTORS[index % SECTORS.length]!
    return {
      symbol: stem.slice(0, 3).toUpperCase() + letter,
      name: stem + ending,
      sector,
      size: roundToCents(Math.exp(0.6 * normal(random))),
      open: roundToCents(Math.exp(2.5 + 3.5 * random.next()))
    }
  })
}

/** Rounds to two decimals, and to at least 0.01. */
export function roundToCents (value: number): number {
  return Math.max(Math.round(value * 100), 1) / 100
}
