import type { Random } from '../seeded-random.ts'
import { normal } from './distributions.ts'

/** What is traded. */
export interface Instrument {
  /** Four capital letters. */
  readonly symbol: string
  readonly name: string
  readonly sector: string
  /** What the company is worth beside the others, of which most are worth about 1. */
  readonly size: number
  /** The price at which trade began. */
  readonly open: number
}

const STEMS = [
  'Alv', 'Bryn', 'Cald', 'Dorn', 'Elst', 'Farn', 'Gild', 'Holm', 'Ister', 'Jarn', 'Kest', 'Lund', 'Marv', 'Nors', 'Osk',
  'Perr', 'Quell', 'Rusk', 'Sorl', 'Tarn', 'Ulv', 'Vang', 'Welk', 'Yarl', 'Zell'
]

/** A symbol ends in its sector's letter. */
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

/** Their numbers have no common factor, so that so many pairs of a stem and a sector differ. */
export const MAX_INSTRUMENTS = STEMS.length * SECTORS.length

/** Instruments, all invented. @param count up to `MAX_INSTRUMENTS` */
export function makeInstruments (count: number, random: Random): Instrument[] {
  return Array.from({ length: count }, (_, index) => {
    const stem = STEMS[index % STEMS.length]!
    const { sector, letter, ending } = SECTORS[index % SECTORS.length]!
    return {
      symbol: stem.slice(0, 3).toUpperCase() + letter,
      name: stem + ending,
      sector,
      size: cents(Math.exp(0.6 * normal(random))),
      open: cents(Math.exp(2.5 + 3.5 * random.next()))
    }
  })
}

/** A price, or what is written like one: two decimals, and 0.01 at least. */
export function cents (value: number): number {
  return Math.max(Math.round(value * 100), 1) / 100
}
