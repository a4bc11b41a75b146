/**
 * A place in a chain, which an object has by extending this class: to come and to go costs the same however many there
 * are. A chain is a circle headed by a link of its own; an empty one is a link to itself.
 *
 * Where objects come and go by the thousand, a Set is no alternative: what it has outgrown keeps what was in it alive
 * until the next full garbage collection.
 */
export class ListNode {
  before: ListNode = this
  after: ListNode = this

  unlink (): void {
    this.before.after = this.after
    this.after.before = this.before
    this.before = this.after = this
  }

  /** Puts a link at the end of the chain that this one heads. */
  append (link: ListNode): void {
    link.before = this.before
    link.after = this
    this.before.after = link
    this.before = link
  }
}

/** All of one kind, in the order in which they came. Whom a loop is at may go meanwhile. */
export class LinkedList<Item extends ListNode> {
  readonly #head = new ListNode()
  #size = 0

  get size (): number {
    return this.#size
  }

  add (item: Item): void {
    this.#head.append(item)
    this.#size++
  }

  remove (item: Item): void {
    item.unlink()
    this.#size--
  }

  * [Symbol.iterator] (): Generator<Item, void> {
    for (let link = this.#head.after; link !== this.#head;) {
      const item = link as Item
      link = link.after
      yield item
    }
  }
}
