let printed = ''
for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
  stream.write = ((...args: unknown[]) => {
    printed += args[0]
    return write(...args)
  }) as typeof stream.write
}

/**
 * Returns the output that this process has printed since the last call. Test files share a process and this module, so
 * the streams are wrapped once.
 */
export function takePrintedOutput(): string {
  const taken = printed
  printed = ''
  return taken
}
