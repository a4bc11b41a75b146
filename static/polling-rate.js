/* How fast a number rises. No DOM in here. */

/** Milliseconds over which it is taken. */
const OVER = 10_000

export class Rate {
  #seen = []

  /** @param now in milliseconds, @returns by how much the number has risen in a second, lately */
  of (number, now) {
    this.#seen.push({ number, now })
    while (this.#seen[1]?.now <= now - OVER) this.#seen.shift()
    const [first] = this.#seen
    return now === first.now ? 0 : (number - first.number) / (now - first.now) * 1_000
  }

  forget () {
    this.#seen = []
  }
}
