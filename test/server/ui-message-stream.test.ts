import t from 'tap'
import { uiMessageChunkSchema } from 'ai'
import { SseEntry } from 'fastify-sse-emitter'
import { uiMessageStream, type UiPart } from '../../server/ui-message-stream.ts'

async function parts (...events: Array<[string, object]>): Promise<Array<UiPart | string>> {
  async function * entries (): AsyncGenerator<SseEntry> {
    for (const [event, data] of events) yield new SseEntry('x.1-0', { event, data: JSON.stringify(data) })
  }
  const parts: Array<UiPart | string> = []
  for await (const part of uiMessageStream(entries(), 'm')) parts.push(part)
  return parts
}

const START = [{ type: 'start', messageId: 'm' }, { type: 'start-step' }]

t.test('reasoning and text become separate parts', async t => {
  t.strictSame(await parts(['reasoning', { text: 'Hm' }], ['delta', { text: 'Hel' }], ['delta', { text: 'lo' }], ['reasoning', { text: 'So' }], ['done', { finishReason: 'stop' }]), [
    ...START,
    { type: 'reasoning-start', id: '1' }, { type: 'reasoning-delta', id: '1', delta: 'Hm' }, { type: 'reasoning-end', id: '1' },
    { type: 'text-start', id: '2' }, { type: 'text-delta', id: '2', delta: 'Hel' }, { type: 'text-delta', id: '2', delta: 'lo' }, { type: 'text-end', id: '2' },
    { type: 'reasoning-start', id: '3' }, { type: 'reasoning-delta', id: '3', delta: 'So' }, { type: 'reasoning-end', id: '3' },
    { type: 'finish-step' }, { type: 'finish', finishReason: 'stop' }, '[DONE]'
  ])
})

t.test('an open part is closed whether the run is done, failed or aborted', async t => {
  const text = [{ type: 'text-start', id: '1' }, { type: 'text-delta', id: '1', delta: 'x' }, { type: 'text-end', id: '1' }]
  t.strictSame(await parts(['delta', { text: 'x' }], ['failed', { message: 'Busy' }]), [...START, ...text, { type: 'error', errorText: 'Busy' }, '[DONE]'])
  t.strictSame(await parts(['delta', { text: 'x' }], ['aborted', {}]), [...START, ...text, { type: 'abort' }, '[DONE]'])
  t.strictSame(await parts(['failed', { message: 'Busy' }]), [...START, { type: 'error', errorText: 'Busy' }, '[DONE]'])
})

t.test('the SDK accepts every part', async t => {
  const { validate } = uiMessageChunkSchema()
  const all = [...await parts(['reasoning', { text: 'x' }], ['delta', { text: 'x' }], ['done', { finishReason: 'content-filter' }]), ...await parts(['failed', { message: 'x' }]), ...await parts(['aborted', {}])]
  for (const part of all.filter(part => typeof part === 'object')) t.match(await validate!(part), { success: true }, JSON.stringify(part))
})
