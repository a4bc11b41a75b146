/* The conversation page. The browser stores the messages; the server keeps the answer in progress. */
/* global addEventListener, location, navigator */

import { requestAnswer, stopAnswer } from './conversation-ask.js'
import { Follower } from './conversation-follow.js'
import { MessageList } from './conversation-messages.js'
import { ConversationStore, isActive, requestFor } from './conversation-store.js'
import { AnswerWatch } from './conversation-watch.js'
import { describeOutcome, describeUsage } from './conversation-words.js'

/** Maximum characters of an answer that are announced to screen readers. */
const MAX_ANNOUNCED = 2_000
/** Milliseconds for which the copy button shows its result. */
const COPY_RESULT_TIME = 2_000

const part = id => document.getElementById(id)
const messageField = part('message')
const sendButton = part('send')
const stopButton = part('stop')
const newButton = part('new')
const list = part('messages')

const messageList = new MessageList(list, part('forgotten'))
const follower = new Follower(part('scroll'), part('page'), part('to-end'))
/** The task of each answer in progress, `{ state, close, … }`, by the id of the answer. */
const tasks = new Map()
const conversation = new ConversationStore(show)

/** Sends the request for an answer. */
class RequestTask {
  state = 'asking'
  unreachable = false
  #controller = new AbortController()

  constructor (id, body) {
    const onUnreachable = () => {
      this.unreachable = true
      showStatus()
    }
    requestAnswer(id, body, { signal: this.#controller.signal, onUnreachable }).then(result => this.#onResponse(id, result))
  }

  close () {
    this.#controller.abort()
  }

  #onResponse (id, { url, failure } = {}) {
    if (failure !== undefined) conversation.update(id, { state: 'failed', failure })
    else if (url !== undefined && !conversation.update(id, { state: 'running', url })) stopUnwanted(url)
  }
}

/** Stops an answer that the conversation no longer contains. */
function stopUnwanted (url) {
  stopAnswer(url).catch(() => {})
}

/** Reads an answer in progress. */
class WatchTask {
  state = 'running'
  watch
  #id

  constructor (answer) {
    this.#id = answer.id
    this.watch = new AnswerWatch(answer, {
      change: () => {
        messageList.stream(answer.id, this.watch.content, this.watch.reasoning)
        showStatus()
      },
      end: (state, { finishReason, usage, ...failure }) => this.save(state === 'failed' ? { state, failure } : { state, finishReason, usage }),
      lost: () => this.save({ state: 'lost' })
    })
  }

  close () {
    this.watch.close()
  }

  /** Stores what was received so far. */
  save (changes) {
    const { content, reasoning, lastEventId } = this.watch
    conversation.update(this.#id, { content, reasoning, lastEventId, ...changes })
  }
}

function show () {
  const { messages, active } = conversation
  const ended = endTasks()
  messageList.show(messages, countOmitted(messages))
  for (const answer of active) if (!tasks.has(answer.id)) tasks.set(answer.id, startTask(answer))
  for (const answer of ended) announce(answer)
  part('welcome').hidden = messages.length > 0
  part('trimmed').hidden = !conversation.trimmed
  newButton.setAttribute('aria-disabled', String(messages.length === 0))
  showComposer(active.length > 0)
  showStatus()
  if (!conversation.persistent) showNotice('This browser can’t store the conversation. It will be lost when the page is closed.')
}

/** Closes the tasks of answers that are no longer in progress. @returns the answers that ended */
function endTasks () {
  const ended = []
  for (const [id, task] of tasks) {
    const answer = conversation.messages.find(message => message.id === id)
    if (answer?.state === task.state) continue
    task.close()
    tasks.delete(id)
    if (answer !== undefined && !isActive(answer)) ended.push(answer)
  }
  return ended
}

function startTask (answer) {
  if (answer.state === 'running') return new WatchTask(answer)
  const { messages } = conversation
  return new RequestTask(answer.id, requestFor(messages.slice(0, messages.indexOf(answer))).body)
}

/** How many of the first messages the request for the last answer omitted. */
function countOmitted (messages) {
  const sent = messages.slice(0, messages.findLastIndex(({ role }) => role === 'user') + 1)
  return requestFor(sent)?.from ?? 0
}

function showComposer (busy) {
  const focused = document.activeElement === stopButton
  sendButton.hidden = busy
  stopButton.hidden = !busy
  // The focused button is hidden now.
  if (focused && !busy) messageField.focus()
}

function showStatus () {
  const [state, name, sentence = ''] = statusOf(tasks.values().next().value)
  const status = part('status')
  status.dataset.state = state
  setText(status.querySelector('.state'), name)
  setText(status.querySelector('.says'), sentence)
  const usage = conversation.messages.at(-1)?.usage
  setText(part('tokens'), usage ? describeUsage(usage) : '')
}

/** Does not set an equal text, which screen readers would announce again. */
function setText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

function statusOf (task) {
  if (!navigator.onLine) return ['reconnecting', 'Offline', task === undefined ? '' : 'The answer continues on the server, and arrives when you are online again.']
  if (task === undefined) return ['closed', 'Ready']
  if (task.state === 'asking') return task.unreachable ? ['reconnecting', 'Reconnecting', 'The server is unreachable. Your message is sent as soon as possible.'] : ['connecting', 'Waiting', 'Sending your message.']
  const { state, content, reasoning } = task.watch
  if (state === 'reconnecting') return ['reconnecting', 'Reconnecting', 'The connection was lost. The answer continues, and missed words are replayed.']
  if (state === 'connecting') return ['connecting', 'Waiting', 'Connecting to the answer.']
  if (content + reasoning === '') return ['connecting', 'Waiting', 'Waiting for the first word.']
  return ['open', 'Connected', 'Words arrive as they are generated.']
}

function showNotice (text) {
  const notice = part('notice')
  notice.hidden = text === ''
  notice.textContent = text
}

/** Announces a complete answer to screen readers. */
function announce (answer) {
  const text = list.querySelector(`[data-id="${answer.id}"] .markdown`).textContent.trim()
  const shortened = text.length > MAX_ANNOUNCED ? `${text.slice(0, MAX_ANNOUNCED)}…` : text
  part('announcement').textContent = [shortened, describeOutcome(answer)].join(' ').trim()
}

function send (text) {
  showNotice('')
  if (text.trim() === '') return
  if (requestFor([{ role: 'user', content: text }]) === undefined) {
    showNotice('This message exceeds the server’s limit of 64 KiB.')
  } else if (conversation.addQuestion(text)) {
    messageField.value = ''
    follower.toEnd()
  } else {
    showNotice('An answer is still in progress. Wait until it ends, or stop it.')
  }
}

part('composer').addEventListener('submit', event => {
  event.preventDefault()
  send(messageField.value)
})

messageField.addEventListener('keydown', event => {
  // While an input method is active, Enter selects a character.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  send(messageField.value)
})

part('suggestions').addEventListener('click', ({ target }) => {
  if (target.localName !== 'button') return
  send(target.textContent)
  messageField.focus()
})

stopButton.addEventListener('click', () => {
  showNotice('')
  for (const { id, state, url } of conversation.active) {
    if (state === 'asking') conversation.update(id, { state: 'aborted' })
    // The stream reports that the answer was stopped.
    else stopAnswer(url).catch(() => showNotice('The server is unreachable, so the answer continues. Try again to stop it.'))
  }
})

newButton.addEventListener('click', () => {
  if (conversation.messages.length > 0) part('clear').showModal()
})

part('clear').addEventListener('close', ({ target }) => {
  if (target.returnValue === 'clear') {
    const { active } = conversation
    conversation.clear()
    for (const { url } of active) if (url !== undefined) stopUnwanted(url)
    messageField.focus()
  }
  target.returnValue = ''
})

list.addEventListener('click', ({ target }) => {
  const { id } = target.closest('.answer')?.dataset ?? {}
  if (target.matches('.retry')) {
    showNotice('')
    conversation.retry(id)
    follower.toEnd()
    messageField.focus()
  } else if (target.matches('.copy-answer')) {
    copy(target, conversation.messages.find(message => message.id === id).content)
  } else if (target.matches('.copy')) {
    copy(target, target.closest('figure').querySelector('code').textContent)
  }
})

async function copy (button, text) {
  const result = await navigator.clipboard.writeText(text).then(() => 'Copied', () => 'Copy failed')
  button.textContent = result
  part('announcement').textContent = result
  setTimeout(() => { button.textContent = 'Copy' }, COPY_RESULT_TIME)
}

addEventListener('online', showStatus)
addEventListener('offline', showStatus)

addEventListener('pagehide', () => {
  for (const task of tasks.values()) task.save?.({})
})

// A page restored from the back/forward cache has missed changes from other tabs, and its streams are closed.
addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload() })

// The clipboard is only available to secure origins.
document.body.classList.toggle('no-clipboard', navigator.clipboard === undefined)
show()
follower.toEnd()
