/* The page about polling: the same prices, asked for again and again and pushed, and what each costs. */
/* global location, matchMedia */

import { assertOk } from './answer.js'
import { price, short, whole } from './market-text.js'
import { Age } from './polling-age.js'
import { Changes } from './polling-changes.js'
import { AgeChart } from './polling-chart.js'
import { ServerClock } from './polling-clock.js'
import { Poller } from './polling-poller.js'
import { Rate } from './polling-rate.js'
import { Stream } from './polling-stream.js'

/** Milliseconds between two drawings: as often as figures can be read. */
const DRAW = 200
/** Milliseconds before the server is asked again for what it did not give. */
const RETRY = 2_000

const WORDS = { closed: 'Stopped', connecting: 'Asking', open: 'Live', reconnecting: 'No answer' }

const part = id => document.getElementById(id)
const notice = part('notice')
const startButton = part('start')
const intervalField = part('interval')

const clock = new ServerClock()
const changes = new Changes()
const chart = new AgeChart(part('ages'))
/** What the stream has missed for good; undefined where the server did not have it any more when it came back. */
let lost = 0
let drawing

/** One half of the page: what it says of one way to know prices. */
class Side {
  age = new Age()
  #root
  #rates = { requests: new Rate(), bytes: new Rate() }

  constructor (id) {
    this.#root = part(id)
  }

  begin ({ symbol, name }, path) {
    this.figure('of', `${symbol}, ${name}`)
    this.figure('path', `GET /${path}`)
  }

  /** Begins anew to look back. */
  forget () {
    this.age.forget()
    for (const rate of Object.values(this.#rates)) rate.forget()
  }

  /** Says in words how things are; the mark repeats it. */
  tell (state, sentence) {
    const says = this.#root.querySelector('.says')
    this.#root.dataset.state = state
    this.#root.querySelector('.state').textContent = WORDS[state]
    // What is the same is not to be read out again.
    if (says.textContent !== sentence) says.textContent = sentence
  }

  figure (name, text) {
    this.#root.querySelector(`[data-figure=${name}]`).textContent = text
  }

  /** @param time of the price, by the server's clock */
  know (time, value) {
    this.figure('price', price(value))
    // The server's clock is not known before the first poll.
    if (clock.now !== undefined) this.age.learn(clock.now, time)
  }

  /** @param cost what it took so far, @param seen changes, @param missed those that were never seen, undefined where that is not known */
  draw ({ requests, bytes, connections }, { mean, most }, seen, missed) {
    const now = performance.now()
    this.figure('requests', whole(requests))
    this.figure('requests-rate', this.#rates.requests.of(requests, now).toFixed(1))
    this.figure('bytes', whole(bytes))
    this.figure('bytes-rate', short(this.#rates.bytes.of(bytes, now)))
    this.figure('connections', whole(connections))
    this.figure('mean', milliseconds(mean))
    this.figure('most', milliseconds(most))
    this.figure('seen', whole(seen))
    this.figure('missed', missed === undefined ? 'not known' : missed === 0 ? '0' : `${whole(missed)}, ${percentOf(missed, seen + missed)}`)
    this.figure('cost', seen === 0 ? '–' : short(bytes / seen))
  }
}

const polled = new Side('polled')
const pushed = new Side('pushed')

// What is loaded

async function load () {
  try {
    const response = await fetch('market/symbols', { cache: 'no-store' })
    assertOk(response)
    begin(await response.json())
  } catch (error) {
    say(`The server did not give the market, and is asked again: ${error.message}`)
    setTimeout(load, RETRY)
  }
}

function begin ({ interval, symbols: [instrument] }) {
  const { symbol } = instrument
  const [pollPath, streamPath] = [`market/quotes?symbol=${symbol}`, `market/stream?symbol=${symbol}`]
  const poller = new Poller(String(new URL(pollPath, location)), Number(intervalField.value), {
    answer: (latest, exchange) => {
      clock.sample(exchange.sentAt, exchange.receivedAt, exchange.time)
      changes.poll(latest)
      polled.know(latest.time, latest.prices[symbol])
      polled.tell('open', 'Prices are as they were when it asked.')
    },
    failed: error => polled.tell('reconnecting', `${error.message}. It asks again when it is time to.`)
  })
  const stream = new Stream(streamPath, {
    event: (type, data) => {
      if (type === 'opened') {
        changes.follow(JSON.parse(data).market)
        pushed.tell('open', 'Prices come as they change.')
      } else if (type === 'quotes') {
        const quotes = JSON.parse(data)
        changes.push(quotes)
        pushed.know(quotes.time, quotes.prices[symbol])
      } else if (type === 'sse-gap' || type === 'sse-reset') {
        lost = undefined
      }
    },
    lost: error => pushed.tell('reconnecting', `${error.message}. It comes back, after the last event it has.`)
  })

  say('')
  polled.begin(instrument, pollPath)
  pushed.begin(instrument, streamPath)
  part('tick').textContent = whole(interval)
  intervalField.addEventListener('change', () => poller.every(Number(intervalField.value)))
  startButton.addEventListener('click', () => {
    if (drawing === undefined) start(poller, stream)
    else pause(poller, stream)
  })
  startButton.disabled = false
}

function say (text) {
  notice.hidden = text === ''
  notice.textContent = text
}

// What a person does

function start (poller, stream) {
  startButton.textContent = 'Pause'
  changes.begin()
  for (const side of [polled, pushed]) {
    side.forget()
    side.tell('connecting', 'Asking for prices.')
  }
  poller.start()
  stream.start()
  drawing = setInterval(draw, DRAW, poller, stream)
}

function pause (poller, stream) {
  startButton.textContent = 'Start'
  poller.stop()
  stream.stop()
  clearInterval(drawing)
  drawing = undefined
  draw(poller, stream)
  for (const side of [polled, pushed]) side.tell('closed', 'It goes on when you start.')
}

// What is drawn

function draw (poller, stream) {
  const { now } = clock
  const [polledAge, pushedAge] = [polled.age.lately(now), pushed.age.lately(now)]
  polled.draw(poller, polledAge, changes.polled, changes.missed)
  pushed.draw(stream, pushedAge, changes.pushed, lost)
  chart.draw(polledAge.curve, pushedAge.curve, now)
  if (now !== undefined) part('error').textContent = `right to ${clock.error.toFixed(1)} ms`
  if (polledAge.mean === undefined || pushedAge.mean === undefined) return
  part('verdict').textContent = `Polled, for ${whole(poller.bytes)} bytes, prices are ${milliseconds(polledAge.mean)} old on average, and ${percentOf(changes.missed, changes.polled + changes.missed)} of their changes are never seen. Pushed, for ${whole(stream.bytes)} bytes, they are ${milliseconds(pushedAge.mean)} old.`
}

function milliseconds (ms) {
  return ms === undefined ? '–' : `${whole(ms)} ms`
}

function percentOf (some, all) {
  return all === 0 ? '0 %' : `${Math.round(some / all * 100)} %`
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart.dress())

load()
