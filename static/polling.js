/* The polling page: the same prices, polled and pushed, and what each costs. */
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

/** Milliseconds between two updates of the page. */
const DRAW_INTERVAL = 200
/** Milliseconds before the list of instruments is requested again. */
const RETRY = 2_000

const STATE_NAMES = { closed: 'Stopped', connecting: 'Connecting', open: 'Live', reconnecting: 'No response' }

const part = id => document.getElementById(id)
const notice = part('notice')
const startButton = part('start')
const intervalField = part('interval')

const clock = new ServerClock()
const changes = new Changes()
const chart = new AgeChart(part('ages'))
/** Changes that the stream missed; undefined if the server could not replay all of them. */
let streamMissed = 0
let drawing

/** One half of the page, polled or pushed. */
class Side {
  age = new Age()
  #root
  #rates = { requests: new Rate(), bytes: new Rate() }

  constructor (id) {
    this.#root = part(id)
  }

  begin ({ symbol, name }, path) {
    this.setFigure('of', `${symbol}, ${name}`)
    this.setFigure('path', `GET /${path}`)
  }

  /** Clears what was measured in the last minute. */
  clear () {
    this.age.clear()
    for (const rate of Object.values(this.#rates)) rate.clear()
  }

  setState (state, sentence) {
    const status = this.#root.querySelector('.says')
    this.#root.dataset.state = state
    this.#root.querySelector('.state').textContent = STATE_NAMES[state]
    // An equal text would be announced by screen readers again.
    if (status.textContent !== sentence) status.textContent = sentence
  }

  setFigure (name, text) {
    this.#root.querySelector(`[data-figure=${name}]`).textContent = text
  }

  /** @param time of the price, on the server's clock */
  setPrice (time, value) {
    this.setFigure('price', price(value))
    // The server's clock is unknown before the first poll.
    if (clock.now !== undefined) this.age.add(clock.now, time)
  }

  /** @param seen changes @param missed changes, undefined if unknown */
  draw ({ requests, bytes, connections }, { mean, max }, seen, missed) {
    const now = performance.now()
    this.setFigure('requests', whole(requests))
    this.setFigure('requests-rate', this.#rates.requests.sample(requests, now).toFixed(1))
    this.setFigure('bytes', whole(bytes))
    this.setFigure('bytes-rate', short(this.#rates.bytes.sample(bytes, now)))
    this.setFigure('connections', whole(connections))
    this.setFigure('mean', milliseconds(mean))
    this.setFigure('max', milliseconds(max))
    this.setFigure('seen', whole(seen))
    this.setFigure('missed', missed === undefined ? 'unknown' : missed === 0 ? '0' : `${whole(missed)} (${percentOf(missed, seen + missed)})`)
    this.setFigure('cost', seen === 0 ? '–' : short(bytes / seen))
  }
}

const polled = new Side('polled')
const pushed = new Side('pushed')

async function load () {
  try {
    const response = await fetch('market/symbols', { cache: 'no-store' })
    assertOk(response)
    begin(await response.json())
  } catch (error) {
    showNotice(`The list of instruments could not be loaded; retrying: ${error.message}`)
    setTimeout(load, RETRY)
  }
}

function begin ({ interval, symbols: [instrument] }) {
  const { symbol } = instrument
  const [pollPath, streamPath] = [`market/quotes?symbol=${symbol}`, `market/stream?symbol=${symbol}`]
  const poller = new Poller(String(new URL(pollPath, location)), Number(intervalField.value), {
    response: (latest, exchange) => {
      clock.sample(exchange.sentAt, exchange.receivedAt, exchange.time)
      changes.poll(latest)
      polled.setPrice(latest.time, latest.prices[symbol])
      polled.setState('open', 'Prices are from the last poll.')
    },
    error: error => polled.setState('reconnecting', `${error.message}. The page keeps polling.`)
  })
  const stream = new Stream(streamPath, {
    event: (type, data) => {
      if (type === 'opened') {
        changes.setMarket(JSON.parse(data).market)
        pushed.setState('open', 'Prices arrive as they change.')
      } else if (type === 'quotes') {
        const quotes = JSON.parse(data)
        changes.push(quotes)
        pushed.setPrice(quotes.time, quotes.prices[symbol])
      } else if (type === 'sse-gap' || type === 'sse-reset') {
        streamMissed = undefined
      }
    },
    error: error => pushed.setState('reconnecting', `${error.message}. The page reconnects and resumes after the last event.`)
  })

  showNotice('')
  polled.begin(instrument, pollPath)
  pushed.begin(instrument, streamPath)
  part('tick').textContent = whole(interval)
  intervalField.addEventListener('change', () => poller.setInterval(Number(intervalField.value)))
  startButton.addEventListener('click', () => {
    if (drawing === undefined) start(poller, stream)
    else pause(poller, stream)
  })
  startButton.disabled = false
}

function showNotice (text) {
  notice.hidden = text === ''
  notice.textContent = text
}

function start (poller, stream) {
  startButton.textContent = 'Pause'
  changes.restart()
  for (const side of [polled, pushed]) {
    side.clear()
    side.setState('connecting', 'Requesting prices.')
  }
  poller.start()
  stream.start()
  drawing = setInterval(draw, DRAW_INTERVAL, poller, stream)
}

function pause (poller, stream) {
  startButton.textContent = 'Start'
  poller.stop()
  stream.stop()
  clearInterval(drawing)
  drawing = undefined
  draw(poller, stream)
  for (const side of [polled, pushed]) side.setState('closed', 'Paused.')
}

function draw (poller, stream) {
  const { now } = clock
  const [polledAge, pushedAge] = [polled.age.lastMinute(now), pushed.age.lastMinute(now)]
  polled.draw(poller, polledAge, changes.polled, changes.missed)
  pushed.draw(stream, pushedAge, changes.pushed, streamMissed)
  chart.draw(polledAge.curve, pushedAge.curve, now)
  if (now !== undefined) part('error').textContent = `accurate to ${clock.error.toFixed(1)} ms`
  if (polledAge.mean === undefined || pushedAge.mean === undefined) return
  part('verdict').textContent = `Polling received ${whole(poller.bytes)} bytes; prices are ${milliseconds(polledAge.mean)} old on average, and ${percentOf(changes.missed, changes.polled + changes.missed)} of the changes were missed. The stream received ${whole(stream.bytes)} bytes; prices are ${milliseconds(pushedAge.mean)} old on average.`
}

function milliseconds (ms) {
  return ms === undefined ? '–' : `${whole(ms)} ms`
}

function percentOf (count, total) {
  return total === 0 ? '0%' : `${Math.round(count / total * 100)}%`
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart.updateColors())

load()
