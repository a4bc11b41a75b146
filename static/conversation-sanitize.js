/* Sanitizes the HTML of an answer. It keeps what Markdown produces, and removes anything that runs scripts, sends requests
   to other origins, or imitates the page. */
/* global location */

import DOMPurify from './vendor/purify.js'

const CONFIG = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS: [
    'a', 'b', 'blockquote', 'br', 'code', 'del', 'em', 'h3', 'h4', 'h5', 'h6', 'hr', 'i', 'img', 'ins', 'kbd', 'li', 'mark',
    'ol', 'p', 'pre', 's', 'strong', 'sub', 'sup', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'u', 'ul', '#text'
  ],
  ALLOWED_ATTR: ['align', 'alt', 'class', 'href', 'src', 'start', 'title'],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false
}

const PROTOCOLS = ['http:', 'https:', 'mailto:']

const purifier = DOMPurify(globalThis)

purifier.addHook('uponSanitizeAttribute', (element, attribute) => {
  // Other classes would get the page's styles.
  if (attribute.attrName === 'class') attribute.keepAttr = element.localName === 'code' && /^language-\S{1,40}$/.test(attribute.attrValue)
})

purifier.addHook('afterSanitizeAttributes', element => {
  if (element.localName === 'a') guardLink(element)
  if (element.localName === 'img') guardImage(element)
})

/** @returns a fragment to put into the page */
export function sanitize (html) {
  return purifier.sanitize(html, CONFIG)
}

function guardLink (link) {
  const url = urlOf(link, 'href')
  if (!PROTOCOLS.includes(url?.protocol)) {
    link.removeAttribute('href')
    return
  }
  link.target = '_blank'
  link.rel = 'noopener noreferrer'
}

/** An image from another origin would reveal the reader to its server. */
function guardImage (image) {
  if (urlOf(image, 'src')?.origin !== location.origin) image.replaceWith(image.alt)
}

function urlOf (element, attribute) {
  const text = element.getAttribute(attribute)
  return text !== null && URL.canParse(text, location) ? new URL(text, location) : undefined
}
