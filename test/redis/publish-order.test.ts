import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { PublishOrder } from '../../plugin/redis/publish-order.ts'

t.test('without failures, publications are sent at once', async t => {
  const order = new PublishOrder(async () => { t.fail('there is nothing to recover from') })
  const sent: string[] = []
  const replies = ['0', '1'].map(text => order.run(async () => {
    sent.push(text)
    return text
  }))
  t.strictSame(sent, ['0', '1'])
  t.strictSame(await Promise.all(replies), ['0', '1'])
})

for (const [reason, refuse] of [
  ['Redis did not accept', async () => null],
  ['Redis had no script for', async () => { throw new Error('NOSCRIPT No matching script') }]
] as const) {
  t.test(`a publication that ${reason} is sent again before later ones`, async t => {
    const recovered = new Deferred<void>()
    const order = new PublishOrder(() => recovered.promise)
    const sent: string[] = []
    let isRefused = true
    const publish = async (text: string): Promise<string> => await order.run(async () => {
      if (isRefused) return await refuse()
      sent.push(text)
      return text
    })
    const replies = [publish('0'), publish('1')]
    await new Promise(setImmediate)
    replies.push(publish('2'))
    isRefused = false
    await new Promise(setImmediate)
    t.strictSame(sent, [], 'nothing is sent before Redis has recovered')
    recovered.resolve()
    t.strictSame(await Promise.all(replies), ['0', '1', '2'])
    t.strictSame(sent, ['0', '1', '2'])
  })
}

t.test('if Redis does not recover, waiting publications are rejected and later ones are sent', async t => {
  const failure = new Error('away')
  const order = new PublishOrder(async () => { throw failure })
  t.equal(await order.run(async () => null).catch(error => error), failure)
  t.equal(await order.run(async () => 'x'), 'x')
})

t.test('later publications can be held until those in flight are answered', async t => {
  const order = new PublishOrder(async () => {})
  order.holdBehindInFlight()
  const reply = new Deferred<string>()
  const first = order.run(() => reply.promise)
  order.holdBehindInFlight()
  const sent: string[] = []
  const second = order.run(async () => {
    sent.push('1')
    return '1'
  })
  await new Promise(setImmediate)
  t.strictSame(sent, [])
  reply.resolve('0')
  t.strictSame(await Promise.all([first, second]), ['0', '1'])
})

t.test('an error of one publication does not concern the others', async t => {
  const order = new PublishOrder(async () => { t.fail('there is nothing to recover from') })
  const error = new Error('OOM command not allowed')
  const replies = [order.run(async () => { throw error }), order.run(async () => 'x')]
  t.equal(await replies[0]!.catch(error => error), error)
  t.equal(await replies[1], 'x')
})
