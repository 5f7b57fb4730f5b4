import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { expect, it } from 'vitest'

const DOCUMENTS = [...globSync('*.md'), ...globSync('{docs,examples}/**/*.md')]

it.each(DOCUMENTS)('%s has no broken link', document => {
  const links = [...readFileSync(document, 'utf8').matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)]
  for (const [link, path = '', anchor] of links) {
    if (path.startsWith('https:')) continue
    const target = path ? resolve(dirname(document), path) : resolve(document)
    expect(existsSync(target), link).toBe(true)
    if (anchor) expect(anchorsOf(readFileSync(target, 'utf8')), link).toContain(anchor)
  }
})

it.each(DOCUMENTS.filter(document => document !== 'CHANGELOG.md'))(
  '%s names only test files that exist',
  document => {
    const files = [...readFileSync(document, 'utf8').matchAll(/\btest\/[\w/.-]+\.test\.ts\b/g)]
    for (const [file] of files) expect(existsSync(file), file).toBe(true)
  },
)

/** The anchors of the headings of a Markdown document. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}
