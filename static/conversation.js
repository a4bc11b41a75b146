/* The page of the conversation: what was said is kept by the browser, and the answer that is being given by the server. */
/* global addEventListener, location, navigator */

import { ask, stop } from './conversation-ask.js'
import { Follower } from './conversation-follow.js'
import { MessageList } from './conversation-messages.js'
import { ConversationStore, isActive, requestFor } from './conversation-store.js'
import { AnswerWatch } from './conversation-watch.js'
import { outcomeOf, tokensOf } from './conversation-words.js'

/** Characters of an answer that are read aloud. */
const ALOUD = 2_000
/** Milliseconds for which a button says what it has done. */
const SAID = 2_000

const part = id => document.getElementById(id)
const messageField = part('message')
const sendButton = part('send')
const stopButton = part('stop')
const newButton = part('new')
const list = part('messages')

const messageList = new MessageList(list, part('forgotten'))
const follower = new Follower(part('scroll'), part('page'), part('to-end'))
/** What is done for each answer that is not over: `{ state, close, … }`, by its id. */
const tasks = new Map()
const conversation = new ConversationStore(show)

// What is done for an answer

/** Asks the server for it. */
class Asking {
  state = 'asking'
  away = false
  #controller = new AbortController()

  constructor (id, body) {
    const away = () => {
      this.away = true
      showStatus()
    }
    ask(id, body, { signal: this.#controller.signal, away }).then(result => this.#answered(id, result))
  }

  close () {
    this.#controller.abort()
  }

  #answered (id, { url, failure } = {}) {
    if (failure !== undefined) conversation.update(id, { state: 'failed', failure })
    else if (url !== undefined && !conversation.update(id, { state: 'running', url })) stopUnwatched(url)
  }
}

/** Nobody wants the answer any more, nor to know whether it has ended. */
function stopUnwatched (url) {
  stop(url).catch(() => {})
}

/** Watches it. */
class Watching {
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
      end: (state, { finishReason, usage, ...failure }) => this.keep(state === 'failed' ? { state, failure } : { state, finishReason, usage }),
      lost: () => this.keep({ state: 'lost' })
    })
  }

  close () {
    this.watch.close()
  }

  /** Keeps what there is of it. */
  keep (changes) {
    const { content, reasoning, lastEventId } = this.watch
    conversation.update(this.#id, { content, reasoning, lastEventId, ...changes })
  }
}

// What is shown

function show () {
  const { messages, active } = conversation
  const over = endTasks()
  messageList.show(messages, leftOut(messages))
  for (const answer of active) if (!tasks.has(answer.id)) tasks.set(answer.id, begin(answer))
  for (const answer of over) announce(answer)
  part('welcome').hidden = messages.length > 0
  part('trimmed').hidden = !conversation.trimmed
  newButton.setAttribute('aria-disabled', String(messages.length === 0))
  showComposer(active.length > 0)
  showStatus()
  if (!conversation.kept) say('This browser does not keep the conversation: it is gone with this page.')
}

/** @returns the answers that are over now */
function endTasks () {
  const over = []
  for (const [id, task] of tasks) {
    const answer = conversation.messages.find(message => message.id === id)
    if (answer?.state === task.state) continue
    task.close()
    tasks.delete(id)
    if (answer !== undefined && !isActive(answer)) over.push(answer)
  }
  return over
}

function begin (answer) {
  if (answer.state === 'running') return new Watching(answer)
  const { messages } = conversation
  return new Asking(answer.id, requestFor(messages.slice(0, messages.indexOf(answer))).body)
}

/** How many messages the model has not read for the last question. */
function leftOut (messages) {
  const asked = messages.slice(0, messages.findLastIndex(({ role }) => role === 'user') + 1)
  return requestFor(asked)?.from ?? 0
}

function showComposer (busy) {
  const focused = document.activeElement === stopButton
  sendButton.hidden = busy
  stopButton.hidden = !busy
  // The button is gone from under who has pressed it.
  if (focused && !busy) messageField.focus()
}

function showStatus () {
  const [state, word, sentence = ''] = statusOf(tasks.values().next().value)
  const status = part('status')
  status.dataset.state = state
  showText(status.querySelector('.state'), word)
  showText(status.querySelector('.says'), sentence)
  const usage = conversation.messages.at(-1)?.usage
  showText(part('tokens'), usage ? tokensOf(usage) : '')
}

/** What is the same is not said again. */
function showText (element, text) {
  if (element.textContent !== text) element.textContent = text
}

function statusOf (task) {
  if (!navigator.onLine) return ['reconnecting', 'Offline', task === undefined ? '' : 'The answer goes on without you, and comes when there is a network again.']
  if (task === undefined) return ['closed', 'Ready']
  if (task.state === 'asking') return task.away ? ['reconnecting', 'Reconnecting', 'The server cannot be reached. Your message is sent as soon as it can.'] : ['connecting', 'Waiting', 'Your message is on its way.']
  const { state, content, reasoning } = task.watch
  if (state === 'reconnecting') return ['reconnecting', 'Reconnecting', 'The connection is lost. The answer goes on, and what is missed comes after.']
  if (state === 'connecting') return ['connecting', 'Waiting', 'Asking for the answer.']
  if (content + reasoning === '') return ['connecting', 'Waiting', 'Connected, and no word yet.']
  return ['open', 'Connected', 'Words come as they are said.']
}

function say (text) {
  const notice = part('notice')
  notice.hidden = text === ''
  notice.textContent = text
}

/** Has an answer read to who listens, now that it is whole. */
function announce (answer) {
  const text = list.querySelector(`[data-id="${answer.id}"] .markdown`).textContent.trim()
  const aloud = text.length > ALOUD ? `${text.slice(0, ALOUD)}…` : text
  part('announcement').textContent = [aloud, outcomeOf(answer)].join(' ').trim()
}

// What a person does

function send (text) {
  say('')
  if (text.trim() === '') return
  if (requestFor([{ role: 'user', content: text }]) === undefined) {
    say('This message is longer than the 64 KiB that the server takes.')
  } else if (conversation.say(text)) {
    messageField.value = ''
    follower.toEnd()
  } else {
    say('An answer is still being given. Wait for its end, or stop it.')
  }
}

part('composer').addEventListener('submit', event => {
  event.preventDefault()
  send(messageField.value)
})

messageField.addEventListener('keydown', event => {
  // While an input method composes, Enter picks a character.
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
  say('')
  for (const { id, state, url } of conversation.active) {
    if (state === 'asking') conversation.update(id, { state: 'aborted' })
    // That it has stopped, the stream tells.
    else stop(url).catch(() => say('The server cannot be reached, so the answer goes on. Try to stop it again.'))
  }
})

newButton.addEventListener('click', () => {
  if (conversation.messages.length > 0) part('clear').showModal()
})

part('clear').addEventListener('close', ({ target }) => {
  if (target.returnValue === 'clear') {
    const { active } = conversation
    conversation.clear()
    for (const { url } of active) if (url !== undefined) stopUnwatched(url)
    messageField.focus()
  }
  target.returnValue = ''
})

list.addEventListener('click', ({ target }) => {
  const { id } = target.closest('.answer')?.dataset ?? {}
  if (target.matches('.retry')) {
    say('')
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
  const said = await navigator.clipboard.writeText(text).then(() => 'Copied', () => 'Not copied')
  button.textContent = said
  part('announcement').textContent = said
  setTimeout(() => { button.textContent = 'Copy' }, SAID)
}

// What happens to the page

addEventListener('online', showStatus)
addEventListener('offline', showStatus)

addEventListener('pagehide', () => {
  for (const task of tasks.values()) task.keep?.({})
})

// A page that comes back from the cache does not know what was said in other tabs, and what it watched is cut.
addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload() })

// Only secure origins may use the clipboard.
document.body.classList.toggle('no-clipboard', navigator.clipboard === undefined)
show()
follower.toEnd()
