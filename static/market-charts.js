/* The charts of the market page, drawn by Apache ECharts. */
/* global getComputedStyle, ResizeObserver */

import * as echarts from './vendor/echarts.js'
import { price, short, timeOfDay, whole } from './market-text.js'

/** A chart with the size of its element and the colors of the style sheet. */
class Chart {
  #chart
  #element

  constructor (element) {
    this.#element = element
    this.#chart = echarts.init(element)
    this.updateColors()
    new ResizeObserver(() => this.#chart.resize()).observe(element)
  }

  /** Reads the colors of the style sheet again. */
  updateColors () {
    this.set(this.options(this.#colors))
  }

  set (option) {
    this.#chart.setOption(option)
  }

  get #colors () {
    const style = getComputedStyle(this.#element)
    const color = name => style.getPropertyValue(`--${name}`).trim()
    return { ink: color('ink'), faint: color('faint'), rule: color('rule'), sheet: color('sheet'), up: color('green'), down: color('red'), font: style.fontFamily }
  }
}

/** Options of all charts. An HTML tooltip would need inline styles, which the content security policy forbids. */
function common ({ ink, rule, sheet, font }, formatter) {
  return {
    animation: false,
    textStyle: { fontFamily: font },
    tooltip: {
      trigger: 'axis',
      renderMode: 'richText',
      formatter,
      backgroundColor: sheet,
      borderColor: rule,
      padding: [8, 12],
      textStyle: { color: ink, fontFamily: font, fontSize: 13, lineHeight: 20 }
    }
  }
}

/** Candlesticks above the traded volume. A rising candle is hollow, so that colors are not needed to tell it apart. */
export class CandleChart extends Chart {
  #candles = []

  options (colors) {
    const { ink, faint, rule, sheet, up, down } = colors
    const label = { color: faint, fontSize: 12 }
    const time = { type: 'category', axisTick: { show: false }, axisLine: { lineStyle: { color: rule } }, axisPointer: { lineStyle: { color: faint }, label: { show: false } } }
    return {
      ...common(colors, ([{ dataIndex }]) => this.#describe(this.#candles[dataIndex])),
      axisPointer: { link: [{ xAxisIndex: 'all' }] },
      grid: [{ left: 4, right: 68, top: 12, bottom: 112 }, { left: 4, right: 68, height: 56, bottom: 28 }],
      xAxis: [
        { ...time, gridIndex: 0, axisLabel: { show: false } },
        { ...time, gridIndex: 1, axisLabel: { ...label, hideOverlap: true, interval: (_index, text) => text.endsWith(':00'), formatter: text => text.slice(0, 5) } }
      ],
      yAxis: [
        { gridIndex: 0, position: 'right', scale: true, splitNumber: 5, axisLabel: { ...label, formatter: price }, splitLine: { lineStyle: { color: rule, type: [2, 4] } } },
        { gridIndex: 1, position: 'right', splitNumber: 1, axisLabel: { ...label, showMinLabel: false, formatter: short }, splitLine: { show: false } }
      ],
      series: [
        {
          id: 'candles',
          type: 'candlestick',
          xAxisIndex: 0,
          yAxisIndex: 0,
          barWidth: '62%',
          itemStyle: { color: sheet, borderColor: up, color0: down, borderColor0: down, borderWidth: 1.5 },
          markLine: {
            symbol: 'none',
            silent: true,
            precision: 2,
            lineStyle: { color: ink, type: [3, 3] },
            label: { color: sheet, backgroundColor: ink, padding: [4, 6], borderRadius: 2, fontSize: 12, formatter: ({ value }) => price(value) }
          }
        },
        { id: 'volume', type: 'bar', xAxisIndex: 1, yAxisIndex: 1, barWidth: '62%', itemStyle: { opacity: 0.55, color: ({ dataIndex }) => isRising(this.#candles[dataIndex]) ? up : down } }
      ]
    }
  }

  draw (candles) {
    this.#candles = candles
    const data = candles.map(({ time }) => timeOfDay(time))
    this.set({
      xAxis: [{ data }, { data }],
      series: [
        { id: 'candles', data: candles.map(({ open, close, low, high }) => [open, close, low, high]), markLine: { data: [{ yAxis: candles.at(-1).close }] } },
        { id: 'volume', data: candles.map(({ volume }) => volume) }
      ]
    })
  }

  #describe ({ time, open, high, low, close, volume }) {
    return `${timeOfDay(time)}\nOpen ${price(open)}\nHigh ${price(high)}\nLow ${price(low)}\nClose ${price(close)}\nVolume ${whole(volume)}`
  }
}

/** ECharts also draws a candle as rising if it closed where it opened. */
function isRising ({ open, close }) {
  return close >= open
}

/** One figure over time. */
export class Curve extends Chart {
  options (colors) {
    const { faint, rule, up } = colors
    const label = { color: faint, fontSize: 12 }
    return {
      ...common(colors, ([{ value: [time, figure] }]) => `${timeOfDay(time)}\n${whole(figure)}`),
      grid: { left: 4, right: 44, top: 12, bottom: 26 },
      xAxis: { type: 'time', axisTick: { show: false }, axisLine: { lineStyle: { color: rule } }, splitNumber: 3, axisLabel: { ...label, hideOverlap: true, formatter: timeOfDay } },
      yAxis: { position: 'right', min: 0, minInterval: 1, splitNumber: 2, axisLabel: { ...label, formatter: short }, splitLine: { lineStyle: { color: rule, type: [2, 4] } } },
      series: [{ id: 'curve', type: 'line', showSymbol: false, lineStyle: { color: up, width: 2 }, itemStyle: { color: up }, areaStyle: { color: up, opacity: 0.12 } }]
    }
  }

  /** @param points pairs of a time and a figure */
  draw (points) {
    this.set({ series: [{ id: 'curve', data: points }] })
  }
}
