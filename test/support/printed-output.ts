let printed = ''
for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (...words: unknown[]) => boolean
  stream.write = ((...words: unknown[]) => {
    printed += words[0]
    return write(...words)
  }) as typeof stream.write
}

/**
 * What the code under test printed in this process since the last call. Test files share a process, and this module with
 * it, so the streams are wrapped once.
 */
export function takePrinted(): string {
  const taken = printed
  printed = ''
  return taken
}
