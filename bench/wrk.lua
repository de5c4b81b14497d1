-- Sends one request, no more often than BENCH_LIMIT says, and ends with what came of it in JSON.
-- At the limit it stops asking, but wrk still waits until its time is up. With BENCH_TOKENS the body
-- ends with a refresh token, each is spent once, and the one in the answer is there to be spent.

wrk.method = os.getenv("BENCH_METHOD")
if wrk.method == "POST" then wrk.body = os.getenv("BENCH_BODY") end

local left = tonumber(os.getenv("BENCH_LIMIT"))
local message
-- A queue: spent from the front, so that every grant has its turn.
local tokens, first, last = {}, 1, 0

for token in (os.getenv("BENCH_TOKENS") or ""):gmatch("%S+") do
  last = last + 1
  tokens[last] = token
end

function init()
  message = wrk.format()
end

function request()
  left = left - 1
  if left == 0 then wrk.thread:stop() end
  if last == 0 then return message end
  local token = tokens[first] or error("no refresh token is left: their answers were lost")
  tokens[first] = nil
  first = first + 1
  return wrk.format(nil, nil, nil, wrk.body .. token)
end

-- wrk parses answers only for a script that has this function.
if last > 0 then
  function response(status, headers, body)
    local token = body:match('"refresh_token":"([^"]+)"')
    if token then
      last = last + 1
      tokens[last] = token
    end
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%f,"bytes":%d,"errors":%d,"cut":%d,' ..
    '"why":"%d to connect, %d to read, %d to write, %d of status, %d of time",' ..
    '"median":%d,"p90":%d,"p99":%d}',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, e.read,
    e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
