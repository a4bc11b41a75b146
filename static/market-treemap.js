/* The layout of a treemap. Does not use the DOM. */

/**
 * Divides a rectangle in proportion to weights, into rectangles that are as square as possible: Bruls, Huizing, van Wijk,
 * "Squarified Treemaps", 2000.
 *
 * @param weights positive, the largest first
 * @returns an object `{ x, y, width, height }` for each weight
 */
export function squarify (weights, { x, y, width, height }) {
  const boxes = []
  let rest = sum(weights)
  while (boxes.length < weights.length) {
    const side = Math.min(width, height)
    const row = rowOf(weights.slice(boxes.length), side, width * height / rest)
    const total = sum(row)
    const part = total / rest
    let at = 0
    for (const weight of row) {
      const length = side * weight / total
      boxes.push(width < height
        ? { x: x + at, y, width: length, height: height * part }
        : { x, y: y + at, width: width * part, height: length })
      at += length
    }
    if (width < height) {
      y += height * part
      height *= 1 - part
    } else {
      x += width * part
      width *= 1 - part
    }
    rest -= total
  }
  return boxes
}

/** The weights that form the next row along a side, as square as possible. @param scale area per weight */
function rowOf (weights, side, scale) {
  let row = weights.slice(0, 1)
  while (row.length < weights.length) {
    const longer = weights.slice(0, row.length + 1)
    if (worstRatio(longer, side, scale) > worstRatio(row, side, scale)) break
    row = longer
  }
  return row
}

/** The worst aspect ratio in a row. */
function worstRatio (row, side, scale) {
  const total = sum(row)
  return Math.max(...row.map(weight => {
    const [length, depth] = [side * weight / total, scale * total / side]
    return Math.max(length / depth, depth / length)
  }))
}

function sum (numbers) {
  return numbers.reduce((total, number) => total + number, 0)
}
