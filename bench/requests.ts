import { connect } from 'node:net'
import { argv } from 'node:process'

/*
 * A process that requests one URL on several connections, each with the next request as soon as it has the response,
 * and prints the number of responses: node bench/requests.ts <url> <connections> <seconds>. It parses only the status
 * and length of a response.
 */

const HEAD_END = Buffer.from('\r\n\r\n')

const [, , target = '', connections = '32', seconds = '5'] = argv
const url = new URL(target)
const request = [
  `GET ${url.pathname} HTTP/1.1`,
  `Host: ${url.host}`,
  'Accept: application/vnd.oci.image.manifest.v1+json',
  '\r\n',
].join('\r\n')

const counts = await Promise.all(
  Array.from({ length: Number(connections) }, () => countResponses(Number(seconds))),
)
console.log(counts.reduce((sum, count) => sum + count, 0))

/** Sends requests on one connection. @returns the number of responses in the given time */
function countResponses(seconds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname)
    let responses = 0
    let left = 0
    let head = Buffer.alloc(0)
    const stop = setTimeout(() => {
      socket.destroy()
      resolve(responses)
    }, seconds * 1000)
    const fail = (error: Error) => {
      clearTimeout(stop)
      reject(error)
    }
    socket.on('error', fail)
    socket.on('connect', () => socket.write(request))
    socket.on('data', bytes => {
      let rest: Buffer = bytes
      if (left === 0) {
        head = Buffer.concat([head, rest])
        const end = head.indexOf(HEAD_END)
        if (end < 0) return
        const lines = head.toString('latin1', 0, end)
        if (!lines.startsWith('HTTP/1.1 200')) return fail(new Error(lines.split('\r\n', 1)[0]))
        left = Number(/^content-length: *(\d+)/im.exec(lines)?.[1])
        rest = head.subarray(end + HEAD_END.length)
        head = Buffer.alloc(0)
      }
      left -= rest.length
      if (left > 0) return
      responses++
      socket.write(request)
    })
  })
}
