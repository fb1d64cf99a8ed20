const BLANK_LINE = /\r\n\r\n|\n\n|\r\r/;

/**
 * Reads server-sent events from a response's body, each as it comes. EventSource would do, but it
 * can neither post a picture nor read the error that a refused request answers with.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{kind: string, data: any}>}
 */
export async function* readEvents(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let unread = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      unread += decoder.decode(value, { stream: true });
      for (let end = BLANK_LINE.exec(unread); end !== null; end = BLANK_LINE.exec(unread)) {
        const event = parseEvent(unread.slice(0, end.index));
        unread = unread.slice(end.index + end[0].length);
        if (event !== null) yield event;
      }
    }
  } finally {
    reader.releaseLock();
  }
}

/**
 * @param {string} block the lines of one event
 * @returns {{kind: string, data: any} | null} null for a comment that keeps the line open
 */
function parseEvent(block) {
  let kind = 'message';
  const data = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'event') kind = value ?? '';
    if (field === 'data') data.push(value ?? '');
  }
  return data.length === 0 ? null : { kind, data: JSON.parse(data.join('\n')) };
}
