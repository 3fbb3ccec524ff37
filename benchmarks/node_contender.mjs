// eventsource-parser with JSON.parse, timed by node itself. One JSON line in, one out, for each
// timing: {"row": "...", "repeats": n} -> {"ns": n, "texts": number}, or all texts with "verify".
// The time is the smaller one of wall clock and CPU: on a busy machine the first counts what other
// processes do, and the second always counts node's own compiler and collector threads.
import {readFileSync} from 'node:fs'
import {createInterface} from 'node:readline'
import {createParser} from 'eventsource-parser'

const rows = new Map()

function load(row) {
  const body = readFileSync(`${row}.bin`)
  let at = 0
  return JSON.parse(readFileSync(`${row}.json`, 'utf8')).map((size) => {
    at += size
    return body.subarray(at - size, at)
  })
}

function read(chunks) {
  const texts = []
  const utf8 = new TextDecoder()
  const parser = createParser({
    onEvent(event) {
      if (event.data === '[DONE]') return
      const text = JSON.parse(event.data).choices[0]?.delta.content
      if (text) texts.push(text)
    },
  })
  for (const chunk of chunks) parser.feed(utf8.decode(chunk, {stream: true}))
  return texts
}

for await (const line of createInterface({input: process.stdin})) {
  const {row, repeats, verify} = JSON.parse(line)
  if (!rows.has(row)) rows.set(row, load(row))
  const chunks = rows.get(row)
  if (verify) for (let i = 0; i < 20; i++) read(chunks) // let the compiler see it
  globalThis.gc()
  let texts = []
  const start = process.hrtime.bigint()
  const used = process.cpuUsage()
  for (let i = 0; i < repeats; i++) texts = read(chunks)
  const {user, system} = process.cpuUsage(used)
  const ns = Math.min(Number(process.hrtime.bigint() - start), (user + system) * 1000)
  console.log(JSON.stringify({ns, texts: verify ? texts : texts.length}))
}
