/* The chart of the page about polling. */
/* global getComputedStyle */

import { Curve } from './market-charts.js'
import { WINDOW } from './polling-age.js'

/** How old what each side knows has been, in the last minute. What is asked for is dashed, so that it does not take colours to tell. */
export class AgeChart extends Curve {
  look (colours) {
    const { xAxis, yAxis, series: [curve], ...common } = super.look(colours)
    const amber = getComputedStyle(document.documentElement).getPropertyValue('--amber').trim()
    const series = (id, color, type) => ({ ...curve, id, lineStyle: { color, width: 2, type }, itemStyle: { color }, areaStyle: { color, opacity: 0.12 } })
    return {
      ...common,
      // By the time one has read it, it is elsewhere.
      tooltip: { show: false },
      grid: { left: 8, right: 56, top: 12, bottom: 26 },
      xAxis: { ...xAxis, type: 'value', min: -WINDOW, max: 0, interval: WINDOW / 4, splitLine: { show: false }, axisLabel: { ...xAxis.axisLabel, formatter: ms => ms === 0 ? 'now' : `${-ms / 1_000} s ago`, alignMinLabel: 'left', alignMaxLabel: 'right' } },
      yAxis: { ...yAxis, splitNumber: 4, axisLabel: { ...yAxis.axisLabel, formatter: ms => ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s` } },
      series: [series('polled', amber, [6, 3]), series('pushed', colours.up, 'solid')]
    }
  }

  /** @param polled pairs of a moment and an age, in milliseconds, @param pushed the same, @param now the moment at the right */
  draw (polled, pushed, now) {
    const shift = curve => curve.map(([at, age]) => [at - now, age])
    this.set({ series: [{ id: 'polled', data: shift(polled) }, { id: 'pushed', data: shift(pushed) }] })
  }
}
