/* A view that follows what grows in it, unless the reader is somewhere else. */
/* global ResizeObserver */

/** Pixels that are as good as the end. */
const NEAR = 8

/** Keeps the end of an element's content in view, until the reader scrolls up, and again once they are back. */
export class Follower {
  #scroll
  #button
  #follows = true
  #top = 0

  /** @param button shown where the end is out of view; it leads there */
  constructor (scroll, content, button) {
    this.#scroll = scroll
    this.#button = button
    scroll.addEventListener('scroll', () => this.#scrolled())
    button.addEventListener('click', () => {
      this.toEnd()
      scroll.focus()
    })
    const observer = new ResizeObserver(() => this.#grown())
    observer.observe(scroll)
    observer.observe(content)
  }

  toEnd () {
    this.#follows = true
    this.#grown()
  }

  #grown () {
    if (this.#follows) this.#scroll.scrollTop = this.#scroll.scrollHeight
    this.#tell()
  }

  #scrolled () {
    const { scrollTop } = this.#scroll
    // Where the content has shrunk, the end is in view as well.
    if (this.#below <= NEAR) this.#follows = true
    else if (scrollTop < this.#top) this.#follows = false
    this.#top = scrollTop
    this.#tell()
  }

  #tell () {
    this.#button.hidden = this.#follows || this.#below <= NEAR
  }

  get #below () {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll
    return scrollHeight - scrollTop - clientHeight
  }
}
