/* Keeps the end of growing content in view. */
/* global ResizeObserver */

/** Pixels from the end that count as the end. */
const TOLERANCE = 8

/** Keeps the end of an element's content in view until the user scrolls up, and again after they scroll back to the end. */
export class Follower {
  #scroll
  #button
  #follows = true
  #lastScrollTop = 0

  /** @param button scrolls to the end; shown while the end is out of view */
  constructor (scroll, content, button) {
    this.#scroll = scroll
    this.#button = button
    scroll.addEventListener('scroll', () => this.#onScroll())
    button.addEventListener('click', () => {
      this.toEnd()
      scroll.focus()
    })
    const observer = new ResizeObserver(() => this.#update())
    observer.observe(scroll)
    observer.observe(content)
  }

  toEnd () {
    this.#follows = true
    this.#update()
  }

  #update () {
    if (this.#follows) this.#scroll.scrollTop = this.#scroll.scrollHeight
    this.#showButton()
  }

  #onScroll () {
    const { scrollTop } = this.#scroll
    // The end also comes into view if the content shrinks.
    if (this.#distanceToEnd <= TOLERANCE) this.#follows = true
    else if (scrollTop < this.#lastScrollTop) this.#follows = false
    this.#lastScrollTop = scrollTop
    this.#showButton()
  }

  #showButton () {
    this.#button.hidden = this.#follows || this.#distanceToEnd <= TOLERANCE
  }

  get #distanceToEnd () {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll
    return scrollHeight - scrollTop - clientHeight
  }
}
