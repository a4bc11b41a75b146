import t from 'tap'
import { LinkedList, ListNode } from '../../plugin/base/linked-list.ts'

class Item extends ListNode {
  readonly name: string

  constructor (name: string) {
    super()
    this.name = name
  }
}

function chained (...names: string[]): { chain: LinkedList<Item>, items: Item[] } {
  const chain = new LinkedList<Item>()
  const items = names.map(name => new Item(name))
  for (const item of items) chain.add(item)
  return { chain, items }
}

const names = (chain: LinkedList<Item>): string[] => Array.from(chain, ({ name }) => name)

t.test('a chain keeps the order in which its links came', async t => {
  const { chain, items: [, b] } = chained('a', 'b', 'c')
  t.strictSame(names(chain), ['a', 'b', 'c'])
  chain.remove(b!)
  t.strictSame(names(chain), ['a', 'c'])
  chain.add(b!)
  t.strictSame(names(chain), ['a', 'c', 'b'])
  t.equal(chain.size, 3)
})

t.test('an empty chain has nothing', async t => {
  const { chain, items: [a] } = chained('a')
  chain.remove(a!)
  t.strictSame(names(chain), [])
  t.equal(chain.size, 0)
})

t.test('whom a loop is at may go meanwhile', async t => {
  const { chain } = chained('a', 'b', 'c')
  const seen: string[] = []
  for (const item of chain) {
    seen.push(item.name)
    chain.remove(item)
  }
  t.strictSame(seen, ['a', 'b', 'c'])
  t.equal(chain.size, 0)
})
