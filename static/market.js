/* The page of the market: what comes by one stream is drawn once a frame, however much it is. */
/* global location, history, matchMedia, Option, requestAnimationFrame */

import { assertOk } from './answer.js'
import { CandleChart, Curve } from './market-charts.js'
import { HeatMap } from './market-map.js'
import { MarketModel } from './market-model.js'
import { MarketStream, timeOf } from './market-stream.js'
import { CandleTable } from './market-table.js'
import { percent, price, short, timeOfDay, whole } from './market-text.js'

/** Milliseconds for which the button cuts the connection. */
const CUT = 5_000
/** Milliseconds before the server is asked again for what it did not give. */
const RETRY = 2_000

const WORDS = { connecting: 'Connecting', open: 'Live', paused: 'Paused', reconnecting: 'Reconnecting', cut: 'Cut' }

const part = id => document.getElementById(id)
const notice = part('notice')
const symbolField = part('symbol')
const rangeField = part('range')
const pauseButton = part('pause')
const cutButton = part('cut')

/** What is drawn anew for each type of event. */
const VIEWS = {
  candle: [drawCandles, drawTable],
  quotes: [drawMap],
  statistics: [drawClients, () => drawRate('delivered'), () => drawRate('bytes')]
}

const model = new MarketModel()
const chart = new CandleChart(part('candles'))
const table = new CandleTable(part('details'), part('rows'))
const map = new HeatMap(part('map'), load)
const curves = { clients: new Curve(part('clients')), delivered: new Curve(part('delivered')), bytes: new Curve(part('bytes')) }
const stream = new MarketStream({ news, state, back, lost })

/** What is drawn while it is paused; otherwise undefined, and the market is drawn as it is. */
let paused
let connection = 'connecting'
/** What is to be drawn. */
const due = new Set()
let frame
/** Whether the server has to be asked what there is. */
let unknown = true
/** Ends what is being loaded. */
let loading = new AbortController()
let retry
/** What there is to say when there is a connection again. */
let remark = ''

// What is loaded

/** Shows an instrument, or the first one where there is none of that symbol. */
async function load (symbol) {
  loading.abort()
  clearTimeout(retry)
  const { signal } = loading = new AbortController()
  try {
    if (unknown) {
      // One after the other, by one connection: another may lead to another process, which has another market.
      const market = await ask('symbols', signal)
      begin(market, await ask('statistics', signal))
    }
    const [first] = model.instruments.keys()
    const shown = model.instruments.has(symbol) ? symbol : first
    const answer = await ask(`candles/${shown}`, signal)
    if (answer.market !== model.market) {
      lost(true, symbol)
      return
    }
    say(symbol === null || symbol === shown ? '' : `There is no ${symbol} on this market. This is ${shown}.`)
    show(shown, answer)
  } catch (error) {
    // Something else is wanted now.
    if (signal.aborted) return
    say(`The server did not give the market, and is asked again: ${error.message}`)
    retry = setTimeout(() => load(symbol), RETRY)
  }
}

async function ask (path, signal) {
  const response = await fetch(`market/${path}`, { cache: 'no-store', signal })
  assertOk(response)
  return await response.json()
}

function begin (market, statistics) {
  unknown = false
  model.begin(market, statistics)
  map.begin(model.instruments)
  symbolField.replaceChildren(...Array.from(model.instruments.values(), ({ symbol, name }) => new Option(`${symbol} · ${name}`, symbol)))
}

function show (symbol, answer) {
  const { name, sector } = model.instruments.get(symbol)
  const url = new URL(location)
  url.searchParams.set('symbol', symbol)
  history.replaceState(null, '', url)
  symbolField.value = symbol
  part('candles-title').textContent = symbol
  part('name').textContent = `${name}, ${sector}`
  part('candles').ariaLabel = `Candles of ${symbol}. The table says the same.`
  part('command').textContent = `curl -N '${new URL(`market/stream?symbol=${symbol}`, location)}'`
  pauseButton.disabled = cutButton.disabled = false
  model.show(symbol, answer, timeOf(answer.id))
  stream.follow(symbol, answer.market, answer.id)
  resume()
}

function say (text) {
  notice.hidden = text === ''
  notice.textContent = text
}

// What comes

function news (type, data, time) {
  model.take(type, data, time)
  drawSoon(...paused === undefined ? VIEWS[type] : [])
}

function state (state, at) {
  connection = state
  tell({
    connecting: 'Asking for what happens.',
    open: at === undefined ? remark || 'Prices come as they change.' : 'There is a connection again.',
    reconnecting: `No connection since ${timeOfDay(at)}. The browser is asking again.`,
    cut: `You cut the connection at ${timeOfDay(at)}. The page asks again in ${CUT / 1_000} seconds.`
  }[state])
}

function back ({ at, seconds, replayed }) {
  part('replayed').textContent = whole(replayed)
  tell(`The connection was cut at ${timeOfDay(at)}, for ${seconds.toFixed(1)} s. ${whole(replayed)} events were sent again, and nothing is missing.`)
}

function lost (reset, symbol = symbolField.value) {
  stream.close()
  unknown = reset
  remark = reset
    ? 'The server was started anew, or another one has answered, so everything was loaded again.'
    : 'The connection was cut for longer than the server remembers, so the candles were loaded again.'
  state('connecting')
  // Not at once: what is lost by being slow would be lost again.
  retry = setTimeout(() => load(symbol), RETRY)
}

/** Says in words how things are; the mark repeats it. */
function tell (sentence) {
  const shown = paused !== undefined && connection === 'open' ? 'paused' : connection
  const panel = part('connection')
  panel.dataset.state = shown
  panel.querySelector('.state').textContent = WORDS[shown]
  panel.querySelector('.says').textContent = sentence
  drawFigures()
}

// What a person does

symbolField.addEventListener('change', () => load(symbolField.value))

rangeField.addEventListener('change', () => drawSoon(drawCandles))

pauseButton.addEventListener('click', () => {
  if (paused === undefined) pause()
  else resume()
})

cutButton.addEventListener('click', () => stream.cut(CUT))

function pause () {
  paused = model.snapshot()
  pauseButton.textContent = 'Resume'
  tell(`Paused at ${timeOfDay(paused.time)}. What comes is kept, and drawn when you resume.`)
}

function resume () {
  if (paused !== undefined) {
    paused = undefined
    pauseButton.textContent = 'Pause'
    tell('Everything that came meanwhile is drawn.')
  }
  drawSoon(...Object.values(VIEWS).flat())
}

// What is drawn

/** Has parts of the page drawn: one in a frame, so that none takes long, and each once, however much has come. */
function drawSoon (...parts) {
  for (const part of parts) due.add(part)
  frame ??= requestAnimationFrame(drawNext)
}

function drawNext () {
  const [part] = due
  due.delete(part)
  part?.()
  drawFigures()
  frame = due.size === 0 ? undefined : requestAnimationFrame(drawNext)
}

function drawFigures () {
  const { events, time } = model.snapshot()
  part('events').textContent = whole(events)
  part('behind').textContent = paused !== undefined
    ? `${((time - paused.time) / 1_000).toFixed(1)} s, ${whole(events - paused.events)} events`
    : connection === 'open' ? 'nothing' : 'not known'
}

function drawCandles () {
  const { candles, instrument } = paused ?? model.snapshot()
  const { close } = candles.at(-1)
  const change = close / instrument.open - 1
  chart.draw(candles.slice(-Number(rangeField.value)))
  part('price').textContent = price(close)
  part('change').textContent = percent(change)
  part('change').dataset.direction = change < 0 ? 'down' : 'up'
}

function drawTable () {
  table.draw((paused ?? model.snapshot()).candles)
}

function drawMap () {
  const { instrument, prices } = paused ?? model.snapshot()
  map.draw(instrument.symbol, prices)
}

function drawClients () {
  const { samples } = paused ?? model.snapshot()
  curves.clients.draw(samples.map(({ time, clients }) => [time, clients]))
  part('clients-now').textContent = whole(samples.at(-1)?.clients ?? 0)
}

/** Draws how fast a number rises. */
function drawRate (name) {
  const { samples } = paused ?? model.snapshot()
  const rates = samples.slice(1).map((sample, index) => {
    const before = samples[index]
    return [sample.time, (sample[name] - before[name]) / (sample.time - before.time) * 1_000]
  })
  curves[name].draw(rates)
  part(`${name}-now`).textContent = `${short(rates.at(-1)?.[1] ?? 0)} a second, ${short(samples.at(-1)?.[name] ?? 0)} in all`
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const each of [chart, ...Object.values(curves)]) each.dress()
})

load(new URLSearchParams(location.search).get('symbol'))
