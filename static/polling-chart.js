/* The chart of the polling page. */
/* global getComputedStyle */

import { Curve } from './market-charts.js'
import { WINDOW } from './polling-age.js'

/** The data age of each side in the last minute. The polled curve is dashed, so that colors are not needed to tell them apart. */
export class AgeChart extends Curve {
  options (colors) {
    const { xAxis, yAxis, series: [curve], ...common } = super.options(colors)
    const amber = getComputedStyle(document.documentElement).getPropertyValue('--amber').trim()
    const series = (id, color, type) => ({ ...curve, id, lineStyle: { color, width: 2, type }, itemStyle: { color }, areaStyle: { color, opacity: 0.12 } })
    return {
      ...common,
      // The curves move too fast for a tooltip.
      tooltip: { show: false },
      grid: { left: 8, right: 56, top: 12, bottom: 26 },
      xAxis: { ...xAxis, type: 'value', min: -WINDOW, max: 0, interval: WINDOW / 4, splitLine: { show: false }, axisLabel: { ...xAxis.axisLabel, formatter: ms => ms === 0 ? 'now' : `${-ms / 1_000} s ago`, alignMinLabel: 'left', alignMaxLabel: 'right' } },
      yAxis: { ...yAxis, splitNumber: 4, axisLabel: { ...yAxis.axisLabel, formatter: ms => ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s` } },
      series: [series('polled', amber, [6, 3]), series('pushed', colors.up, 'solid')]
    }
  }

  /** @param polled pairs of a time and an age, in milliseconds @param pushed the same @param now the time at the right edge */
  draw (polled, pushed, now) {
    const shift = curve => curve.map(([at, age]) => [at - now, age])
    this.set({ series: [{ id: 'polled', data: shift(polled) }, { id: 'pushed', data: shift(pushed) }] })
  }
}
