/**
 * The client's address, from the `X-Forwarded-For` header of a request that came through CloudFront. CloudFront appends the
 * address of its peer to what the client sent, and API Gateway or the relay's load balancer appends CloudFront's own address. So the last
 * entry but one is true; a client could have written anything to the left of it.
 */
export function viewerAddress(header = ''): string | undefined {
  return header.split(',').at(-2)?.trim() || undefined
}
