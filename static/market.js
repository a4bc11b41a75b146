/* The market page. Events from one stream are drawn at most once per frame. */
/* global location, history, matchMedia, Option, requestAnimationFrame */

import { assertOk } from './answer.js'
import { CandleChart, Curve } from './market-charts.js'
import { HeatMap } from './market-map.js'
import { MarketModel } from './market-model.js'
import { MarketStream, timeOf } from './market-stream.js'
import { CandleTable } from './market-table.js'
import { percent, price, short, timeOfDay, whole } from './market-text.js'

/** Milliseconds for which the button cuts the connection. */
const CUT_TIME = 5_000
/** Milliseconds before a failed request is repeated. */
const RETRY = 2_000

const STATE_NAMES = { connecting: 'Connecting', open: 'Live', paused: 'Paused', reconnecting: 'Reconnecting', cut: 'Cut' }

const part = id => document.getElementById(id)
const notice = part('notice')
const symbolField = part('symbol')
const rangeField = part('range')
const pauseButton = part('pause')
const cutButton = part('cut')

/** The functions that draw the views of each type of event. */
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
const stream = new MarketStream({ event: onEvent, state: onState, caughtUp: onCaughtUp, lost: reload })

/** The data shown while the page is paused; otherwise undefined. */
let paused
let connection = 'connecting'
/** The functions to call in the next frames. */
const pendingViews = new Set()
let frame
/** Whether the list of instruments has to be loaded. */
let mustLoadMarket = true
/** Aborts the current load. */
let loading = new AbortController()
let retry
/** A sentence to show after the next connect. */
let remark = ''

/** Shows an instrument, or the first one if the symbol is unknown. */
async function load (symbol) {
  loading.abort()
  clearTimeout(retry)
  const { signal } = loading = new AbortController()
  try {
    if (mustLoadMarket) {
      // One request after another uses one connection. Another connection may reach another process with another market.
      const market = await fetchJson('symbols', signal)
      setMarket(market, await fetchJson('statistics', signal))
    }
    const [first] = model.instruments.keys()
    const shown = model.instruments.has(symbol) ? symbol : first
    const candles = await fetchJson(`candles/${shown}`, signal)
    if (candles.market !== model.market) {
      reload(true, symbol)
      return
    }
    showNotice(symbol === null || symbol === shown ? '' : `Unknown symbol ${symbol}; showing ${shown} instead.`)
    show(shown, candles)
  } catch (error) {
    // Another load has begun.
    if (signal.aborted) return
    showNotice(`The market could not be loaded; retrying: ${error.message}`)
    retry = setTimeout(() => load(symbol), RETRY)
  }
}

async function fetchJson (path, signal) {
  const response = await fetch(`market/${path}`, { cache: 'no-store', signal })
  assertOk(response)
  return await response.json()
}

function setMarket (market, statistics) {
  mustLoadMarket = false
  model.setMarket(market, statistics)
  map.begin(model.instruments)
  symbolField.replaceChildren(...Array.from(model.instruments.values(), ({ symbol, name }) => new Option(`${symbol} · ${name}`, symbol)))
}

function show (symbol, candles) {
  const { name, sector } = model.instruments.get(symbol)
  const url = new URL(location)
  url.searchParams.set('symbol', symbol)
  history.replaceState(null, '', url)
  symbolField.value = symbol
  part('candles-title').textContent = symbol
  part('name').textContent = `${name}, ${sector}`
  part('candles').ariaLabel = `Candles of ${symbol}. The table shows the same data.`
  part('command').textContent = `curl -N '${new URL(`market/stream?symbol=${symbol}`, location)}'`
  pauseButton.disabled = cutButton.disabled = false
  model.setInstrument(symbol, candles, timeOf(candles.id))
  stream.follow(symbol, candles.market, candles.id)
  resume()
}

function showNotice (text) {
  notice.hidden = text === ''
  notice.textContent = text
}

function onEvent (type, data, time) {
  model.addEvent(type, data, time)
  drawSoon(...paused === undefined ? VIEWS[type] : [])
}

function onState (state, at) {
  connection = state
  setStatus({
    connecting: 'Connecting to the stream.',
    open: at === undefined ? remark || 'Prices arrive as they change.' : 'Reconnected.',
    reconnecting: `Disconnected since ${timeOfDay(at)}. The browser is reconnecting.`,
    cut: `You cut the connection at ${timeOfDay(at)}. The page reconnects in ${CUT_TIME / 1_000} seconds.`
  }[state])
}

function onCaughtUp ({ at, seconds, replayed }) {
  part('replayed').textContent = whole(replayed)
  setStatus(`Disconnected at ${timeOfDay(at)} for ${seconds.toFixed(1)} s. ${whole(replayed)} events were replayed, and none is missing.`)
}

/** Loads again what the server could not replay. */
function reload (reset, symbol = symbolField.value) {
  stream.close()
  mustLoadMarket = reset
  remark = reset
    ? 'The server restarted, or another one responded, so the page loaded everything again.'
    : 'The disconnect was longer than the server\'s history, so the page loaded the candles again.'
  onState('connecting')
  // If the page was too slow, an immediate reload would fail the same way.
  retry = setTimeout(() => load(symbol), RETRY)
}

function setStatus (sentence) {
  const shown = paused !== undefined && connection === 'open' ? 'paused' : connection
  const panel = part('connection')
  panel.dataset.state = shown
  panel.querySelector('.state').textContent = STATE_NAMES[shown]
  panel.querySelector('.says').textContent = sentence
  drawFigures()
}

symbolField.addEventListener('change', () => load(symbolField.value))

rangeField.addEventListener('change', () => drawSoon(drawCandles))

pauseButton.addEventListener('click', () => {
  if (paused === undefined) pause()
  else resume()
})

cutButton.addEventListener('click', () => stream.cut(CUT_TIME))

function pause () {
  paused = model.snapshot()
  pauseButton.textContent = 'Resume'
  setStatus(`Paused at ${timeOfDay(paused.time)}. New events are kept and drawn when you resume.`)
}

function resume () {
  if (paused !== undefined) {
    paused = undefined
    pauseButton.textContent = 'Pause'
    setStatus('Resumed. Every event received in the meantime is drawn.')
  }
  drawSoon(...Object.values(VIEWS).flat())
}

/** Schedules views: each once, however many events arrive, and one per frame, so that no frame takes long. */
function drawSoon (...views) {
  for (const view of views) pendingViews.add(view)
  frame ??= requestAnimationFrame(drawNext)
}

function drawNext () {
  const [view] = pendingViews
  pendingViews.delete(view)
  view?.()
  drawFigures()
  frame = pendingViews.size === 0 ? undefined : requestAnimationFrame(drawNext)
}

function drawFigures () {
  const { events, time } = model.snapshot()
  part('events').textContent = whole(events)
  part('behind').textContent = paused !== undefined
    ? `${((time - paused.time) / 1_000).toFixed(1)} s, ${whole(events - paused.events)} events`
    : connection === 'open' ? '–' : 'unknown'
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

/** Draws the growth of a number per second. */
function drawRate (name) {
  const { samples } = paused ?? model.snapshot()
  const rates = samples.slice(1).map((sample, index) => {
    const before = samples[index]
    return [sample.time, (sample[name] - before[name]) / (sample.time - before.time) * 1_000]
  })
  curves[name].draw(rates)
  part(`${name}-now`).textContent = `${short(rates.at(-1)?.[1] ?? 0)} per second, ${short(samples.at(-1)?.[name] ?? 0)} in total`
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const each of [chart, ...Object.values(curves)]) each.updateColors()
})

load(new URLSearchParams(location.search).get('symbol'))
