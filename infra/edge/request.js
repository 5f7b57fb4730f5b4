// What a request says about its path, its query and its body.
import { decode } from './patterns.js'
import { BAD_REQUEST, NOT_FOUND } from './responses.js'

/** Parsing a query takes time for each parameter. Clients send less than ten; the edge ignores what is beyond. */
const MAX_PARAMETERS = 30
/** Methods for which HTTP/2 clients announce an empty body too. */
const WITH_BODY = ['PATCH', 'POST', 'PUT']

/** The error for a path that origins could interpret differently. Our paths are printable ASCII. */
export function malformedPath(path) {
  const plain = decode(path)
  if (!plain || plain[0] !== '/') return BAD_REQUEST
  return /%2f/i.test(path) || /[\\?#%]|\/\/|\/[.][.]?(?:\/|$)/.test(plain) ? NOT_FOUND : undefined
}

/**
 * In bytes. NaN: invalid. Undefined: unknown, which is neither more nor less than any number. A function does not see the version of
 * HTTP. So a POST, PUT or PATCH without a length has an unknown length: over HTTP/2 it may have a body.
 */
export function bodyLength(request) {
  const header = request.headers['content-length']
  if (request.headers['transfer-encoding']) return undefined
  if (!header) return WITH_BODY.includes(request.method) ? undefined : 0
  const isOne = !header.multiValue || header.multiValue.length === 1
  return isOne && /^[0-9]{1,15}$/.test(header.value) ? Number(header.value) : NaN
}

/** The query as the client sent it. */
export function queryText(request) {
  const entries = request.querystring
  const textOf = key =>
    (entries[key].multiValue || [entries[key]])
      .slice(0, MAX_PARAMETERS)
      .map(one => `${key}=${one.value}`)
      .join('&')
  return Object.keys(entries).slice(0, MAX_PARAMETERS).map(textOf).join('&')
}

/** The parameters of a query, as pairs. Some clients append `?digest=` to a URL that has a query. */
export function queryPairs(request) {
  const texts = queryText(request).split(/[&?]/).slice(0, MAX_PARAMETERS)
  return texts.map(text => {
    const pair = text.split('=')
    return [decode(pair[0]), decode(pair.slice(1).join('='))]
  })
}

/** All values of a parameter. */
export function valuesOf(pairs, name) {
  return pairs.filter(pair => pair[0] === name).map(pair => pair[1])
}
