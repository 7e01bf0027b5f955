// Says what npm scim2-parse-filter and scim-patch make of filters and of PATCH operations, to compare ours with.
//
// Reads JSON lines, and answers each with one:
//   {"filter": "…", "resources": [{…}, …]}        {"matches": [true, …]}
//   {"operations": [{…}, …], "resource": {…}}     {"resource": {…}}
// or {"error": "…"} where the library refuses.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const installed = process.env.VESTIBULE_TEST_PARTS ?? new URL('../.installed', import.meta.url).pathname
const require = createRequire(`${installed}/oracle/`)
const { scimPatch } = require('scim-patch')
const { filter, parse } = require('scim2-parse-filter')

function answer (asked) {
  if (asked.filter !== undefined) {
    const matches = filter(parse(asked.filter))
    return { matches: asked.resources.map(resource => matches(resource)) }
  }
  // Without treatMissingAsAdd a replacement whose selection finds nothing is refused, as RFC 7644 section 3.5.2.3 has it.
  return { resource: scimPatch(asked.resource, asked.operations, { mutateDocument: false, treatMissingAsAdd: false }) }
}

for await (const line of createInterface({ input: process.stdin })) {
  let said
  try {
    said = answer(JSON.parse(line))
  } catch (error) {
    said = { error: `${error.name}: ${error.message}` }
  }
  console.log(JSON.stringify(said))
}
