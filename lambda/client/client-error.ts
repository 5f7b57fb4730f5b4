/** Why an operation on a registry or an archive failed, in one sentence for a person. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
}

/** The reason of an unexpected error, on one line: the messages of OpenSSL have several. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return 'no space left on the disk'
  if (code === 'EDQUOT') return 'the disk quota is used up'
  return message?.split('\n', 1)[0] || code || String(error)
}
