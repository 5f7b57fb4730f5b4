// Responses of the edge itself. They are sent before the body is read.

// As in lambda/protocol/errors.ts.
export const BAD_REQUEST = [400, 'BAD_REQUEST', 'malformed request']
export const DIGEST_INVALID = [400, 'DIGEST_INVALID', 'digest missing, malformed or not that of the content']
export const UNAUTHORIZED = [401, 'UNAUTHORIZED', 'authentication required']
export const BLOB_UNKNOWN = [404, 'BLOB_UNKNOWN', 'blob unknown to registry']
export const BLOB_UPLOAD_UNKNOWN = [404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry']
export const NOT_FOUND = [404, 'NOT_FOUND', 'not found']
export const UNSUPPORTED = [405, 'UNSUPPORTED', 'the operation is unsupported']
export const LENGTH_REQUIRED = [411, 'LENGTH_REQUIRED', 'the request must have a Content-Length']
export const CONTENT_TOO_LARGE = [413, 'CONTENT_TOO_LARGE', 'request body too large']
export const UNAVAILABLE = [503, 'UNAVAILABLE', 'service unavailable']

/**
 * An error document of the distribution spec. A HEAD gets its headers only.
 * @param reason replaces the message of the error. It is the detail too: without one, Docker repeats a request after UNAUTHORIZED.
 */
export function refuse(request, error, headers, reason) {
  const response = {
    statusCode: error[0],
    headers: {
      'content-type': { value: 'application/json' },
      'docker-distribution-api-version': { value: 'registry/2.0' },
      'x-content-type-options': { value: 'nosniff' },
    },
  }
  Object.assign(response.headers, headers)
  const detail = reason && { reason: reason }
  if (request.method !== 'HEAD')
    response.body = {
      encoding: 'text',
      data: JSON.stringify({ errors: [{ code: error[1], message: reason || error[2], detail: detail }] }),
    }
  return response
}

/** Makes the client send a GET without a body. */
export function seeOther(location) {
  return { statusCode: 303, statusDescription: 'See Other', headers: { location: { value: location } } }
}
