/** Detects when a text that arrives in fragments is a complete JSON object or array, without parsing it again each time. */
export class JsonScanner {
  #depth = 0
  #isInString = false
  #isEscaped = false
  /** Whether the outermost object or array is closed. */
  isComplete = false

  feed (text: string): void {
    for (let i = 0; i < text.length; i++) {
      const character = text[i]
      if (this.#isEscaped) this.#isEscaped = false
      else if (this.#isInString) this.#readInString(character)
      else if (character === '"') this.#isInString = true
      else if (character === '{' || character === '[') this.#changeDepth(1)
      else if (character === '}' || character === ']') this.#changeDepth(-1)
    }
  }

  #changeDepth (change: number): void {
    this.#depth += change
    this.isComplete = this.#depth <= 0
  }

  #readInString (character: string | undefined): void {
    if (character === '\\') this.#isEscaped = true
    else if (character === '"') this.#isInString = false
  }
}
