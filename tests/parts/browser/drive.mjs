// Drives the machine's Chromium, headless, through a list of steps, and says what it saw.
//
//   echo '[{"goto": "http://vestibule.localhost:8080/"}, {"fill": "#login", "with": "joe"}, {"click": "button"}]' | node drive.mjs
//
// Steps, each an object with one of these keys:
//   goto URL                      opens a page
//   fill SELECTOR, with TEXT      types into a field, replacing what is there
//   click SELECTOR                presses a button or link and waits for what it loads
//   type TEXT                     types where the focus is
//   press KEY                     presses a key, for example Tab or Enter
//   expectText TEXT               waits until the page shows the text
//   expectUrl PREFIX              waits until the address begins so
//   screenshot FILE               the whole page as PNG
//   size [WIDTH, HEIGHT]          the window, in CSS pixels
//   colorScheme light|dark        what the person prefers
//   javaScript true|false         starts anew, as newContext does, with or without scripts
//   axe true                      checks WCAG 2.2 A and AA and best practice
//   text true                     tells title, address and visible text of the page
//   send URL, method, headers, body, expect STATUS
//                                 a request of somebody else, from outside of the browser
//   reloadUntil TEXT              loads the page again and again until it shows the text
//   newContext true               forgets cookies and begins as a new person
//
// Prints one JSON object: "ok", "failed" (the step's number, from 0, and why), "steps" (what axe and text found, by step), "page" (title, url and
// text at the end), "console" (errors), "csp" (violations of a page's content security policy), "requests" (failed ones). Its status is 1 when a
// step failed. CHROMIUM names the browser where it is not in one of the usual places. Names under .localhost need no DNS: Chromium knows them.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const installed = process.env.VESTIBULE_TEST_PARTS ?? new URL('../.installed', import.meta.url).pathname
const require = createRequire(`${installed}/browser/`)
const { chromium } = require('playwright-core')
const { AxeBuilder } = require('@axe-core/playwright')

const places = [
  '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
]
const executablePath = process.env.CHROMIUM ?? places.find(existsSync)
if (!executablePath) {
  console.error('no Chromium: install it (script/bootstrap --test does on Debian and Ubuntu) or name it in CHROMIUM')
  process.exit(2)
}

let input = ''
for await (const chunk of process.stdin) input += chunk
const steps = JSON.parse(input)

// Root has no sandbox; the rest keeps Chromium from talking to anybody but the pages.
const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage']
if (process.getuid?.() === 0) args.push('--no-sandbox')

const result = { ok: true, steps: {}, console: [], csp: [], requests: [] }
const browser = await chromium.launch({ executablePath, headless: true, args })
let context, page
let look = { viewport: { width: 1280, height: 800 }, colorScheme: 'light', javaScriptEnabled: true }

async function begin () {
  await context?.close()
  context = await browser.newContext(look)
  context.setDefaultTimeout(30_000)
  page = await context.newPage()
  page.on('console', message => {
    if (message.type() !== 'error') return
    const list = /content security policy/i.test(message.text()) ? result.csp : result.console
    list.push(`${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', error => result.console.push(String(error)))
  page.on('requestfailed', request => result.requests.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`))
}

const describe = async () => ({ title: await page.title(), url: page.url(), text: (await page.locator('body').innerText()).slice(0, 20_000) })

const perform = {
  goto: url => page.goto(url),
  fill: (selector, step) => page.fill(selector, step.with),
  click: async selector => { await page.click(selector); await page.waitForLoadState() },
  type: text => page.keyboard.type(text),
  press: async key => { await page.keyboard.press(key); await page.waitForLoadState() },
  expectText: text => page.getByText(text).first().waitFor({ state: 'visible' }),
  expectUrl: prefix => page.waitForURL(url => url.href.startsWith(prefix)),
  screenshot: async path => { await page.screenshot({ path, fullPage: true }) },
  size: async ([width, height]) => { look = { ...look, viewport: { width, height } }; await page.setViewportSize(look.viewport) },
  colorScheme: async colorScheme => { look = { ...look, colorScheme }; await page.emulateMedia({ colorScheme }) },
  javaScript: async javaScriptEnabled => { look = { ...look, javaScriptEnabled }; await begin() },
  send: async (url, { method = 'POST', headers = {}, body, expect }) => {
    const answer = await fetch(url, { method, headers, body })
    if (answer.status !== expect) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  },
  reloadUntil: async text => {
    const until = Date.now() + 30_000
    while (await page.getByText(text).count() === 0) {
      if (Date.now() > until) throw new Error(`the page does not show: ${text}`)
      await page.waitForTimeout(100)
      await page.reload()
    }
  },
  newContext: begin,
  text: describe,
  axe: async () => {
    const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze()
    return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(node => node.target.join(' ')) }))
  }
}

await begin()
for (const [number, step] of steps.entries()) {
  try {
    const verb = Object.keys(step).find(key => key in perform)
    if (!verb) throw new Error(`no such step: ${JSON.stringify(step)}`)
    const found = await perform[verb](step[verb], step)
    if (verb === 'axe' || verb === 'text') result.steps[number] = found
  } catch (error) {
    Object.assign(result, { ok: false, failed: { step: number, what: step, why: error.message } })
    break
  }
}
result.page = await describe().catch(error => ({ url: page.url(), text: error.message }))
await browser.close()
console.log(JSON.stringify(result, null, 1))
process.exit(result.ok ? 0 : 1)
