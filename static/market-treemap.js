/* A rectangle cut into parts. No DOM in here. */

/**
 * Cuts a rectangle into one for each weight, as square as they get: Bruls, Huizing, van Wijk, "Squarified Treemaps",
 * 2000.
 *
 * @param weights above 0, the greatest first
 * @returns for each its `{ x, y, width, height }`
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

/** As many of the weights as one row along a side can take without getting less square. @param scale area for a weight */
function rowOf (weights, side, scale) {
  let row = weights.slice(0, 1)
  while (row.length < weights.length) {
    const longer = weights.slice(0, row.length + 1)
    if (stretch(longer, side, scale) > stretch(row, side, scale)) break
    row = longer
  }
  return row
}

/** How far from a square the worst of a row is: the greater of its sides by the smaller. */
function stretch (row, side, scale) {
  const total = sum(row)
  return Math.max(...row.map(weight => {
    const [length, depth] = [side * weight / total, scale * total / side]
    return Math.max(length / depth, depth / length)
  }))
}

function sum (numbers) {
  return numbers.reduce((total, number) => total + number, 0)
}
