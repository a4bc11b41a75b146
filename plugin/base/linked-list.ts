/**
 * A node of a doubly linked list. Objects extend this class, so adding and removing one takes constant time and allocates
 * nothing. A list is a ring that starts at a head node; a node that is in no list links to itself.
 *
 * A Set does not fit where thousands of items come and go: each hash table that it outgrows keeps removed items alive until
 * the next full garbage collection.
 */
export class ListNode {
  previous: ListNode = this
  next: ListNode = this

  /** Removes this node from its list. */
  unlink (): void {
    this.previous.next = this.next
    this.next.previous = this.previous
    this.previous = this.next = this
  }

  /** Adds a node to the end of the list whose head is this node. */
  append (node: ListNode): void {
    node.previous = this.previous
    node.next = this
    this.previous.next = node
    this.previous = node
  }
}

/** Items in insertion order. The current item may be removed while iterating. */
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

  /** Calls back with each item. Faster than the iterator. */
  forEach (callback: (item: Item) => void): void {
    for (let node = this.#head.next; node !== this.#head;) {
      const item = node as Item
      node = node.next
      callback(item)
    }
  }

  * [Symbol.iterator] (): Generator<Item, void> {
    for (let node = this.#head.next; node !== this.#head;) {
      const item = node as Item
      node = node.next
      yield item
    }
  }
}
