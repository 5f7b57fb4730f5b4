/**
 * The client's address, from the `X-Forwarded-For` header of a request that came through CloudFront. CloudFront appends
 * the client's address to the value that the client sent. API Gateway or the relay's load balancer then appends
 * CloudFront's address. The last entry but one is therefore reliable, and the entries before it are not.
 */
export function viewerAddress(header = ''): string | undefined {
  return header.split(',').at(-2)?.trim() || undefined
}
