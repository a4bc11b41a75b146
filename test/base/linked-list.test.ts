import t from 'tap'
import { LinkedList, ListNode } from '../../plugin/base/linked-list.ts'

class Item extends ListNode {
  readonly name: string

  constructor (name: string) {
    super()
    this.name = name
  }
}

function listOf (...names: string[]): { list: LinkedList<Item>, items: Item[] } {
  const list = new LinkedList<Item>()
  const items = names.map(name => new Item(name))
  for (const item of items) list.add(item)
  return { list, items }
}

const names = (list: LinkedList<Item>): string[] => Array.from(list, ({ name }) => name)

t.test('a list keeps insertion order', async t => {
  const { list, items: [, b] } = listOf('a', 'b', 'c')
  t.strictSame(names(list), ['a', 'b', 'c'])
  list.remove(b!)
  t.strictSame(names(list), ['a', 'c'])
  list.add(b!)
  t.strictSame(names(list), ['a', 'c', 'b'])
  t.equal(list.size, 3)
})

t.test('a list is empty after its only item is removed', async t => {
  const { list, items: [a] } = listOf('a')
  list.remove(a!)
  t.strictSame(names(list), [])
  t.equal(list.size, 0)
})

t.test('the current item may be removed while iterating', async t => {
  for (const iterate of [(list: LinkedList<Item>, visit: (item: Item) => void) => { for (const item of list) visit(item) }, (list: LinkedList<Item>, visit: (item: Item) => void) => list.forEach(visit)]) {
    const { list } = listOf('a', 'b', 'c')
    const seen: string[] = []
    iterate(list, item => {
      seen.push(item.name)
      list.remove(item)
    })
    t.strictSame(seen, ['a', 'b', 'c'])
    t.equal(list.size, 0)
  }
})

t.test('a removed item links only to itself', async t => {
  const { list, items: [a, b] } = listOf('a', 'b')
  list.remove(b!)
  t.equal(b!.previous, b)
  t.equal(b!.next, b)
  t.not(a!.next, b)
})
