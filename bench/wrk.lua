-- Posts one form body, no more often than BENCH_LIMIT says, and ends with what came of it in JSON.
-- At the limit it stops asking, but wrk still waits until its time is up.

wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"

local left = tonumber(os.getenv("BENCH_LIMIT"))
local message

function init()
  message = wrk.format()
end

function request()
  left = left - 1
  if left == 0 then wrk.thread:stop() end
  return message
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%f,"bytes":%d,"errors":%d,"median":%d}',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50)))
end
