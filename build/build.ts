import { buildPrograms } from './package.ts'

// For the container image, which copies dist/. `npm pack` does not need this: it builds in prepack.ts.
buildPrograms('dist')
