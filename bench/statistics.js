export function median (numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The median of each column. */
export function medians (rows) {
  return rows[0].map((_, column) => median(rows.map(row => row[column])))
}

export function percentiles (numbers) {
  const sorted = Float64Array.from(numbers).sort()
  const percentile = share => sorted[Math.ceil(sorted.length * share) - 1]
  return { p50: percentile(0.5), p99: percentile(0.99) }
}
