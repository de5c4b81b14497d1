-- Posts forms of several kinds, each from many clients in turns, and ends with what came of it in JSON.
--
-- BENCH_CYCLE has the numbers of the kinds in the order in which they come, again and again. Of kind N,
-- BENCH_PATH_N and BENCH_BODY_N are path and form, in both of which `{}` is the number of a client, and
-- BENCH_COUNT_N says how many there are; with BENCH_NETWORK_N, the first half of an IPv4 address, each
-- client has an address of its own there.

local STEP = 7919 -- A prime: every client has its turn, and neighbours are far apart.

local kinds, cycle, place = {}, {}, 0

local function env(name, kind) return os.getenv("BENCH_" .. name .. "_" .. kind) end

for kind in os.getenv("BENCH_CYCLE"):gmatch("%d+") do
  kinds[kind] = kinds[kind] or {
    path = env("PATH", kind),
    body = env("BODY", kind),
    count = tonumber(env("COUNT", kind)),
    network = env("NETWORK", kind),
    at = 0,
  }
  cycle[#cycle + 1] = kinds[kind]
end

local left = tonumber(os.getenv("BENCH_LIMIT"))

function request()
  left = left - 1
  if left == 0 then wrk.thread:stop() end
  place = place % #cycle + 1
  local kind = cycle[place]
  kind.at = (kind.at + STEP) % kind.count
  local number = string.format("%07d", kind.at)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  if kind.network then
    local low = kind.at % 65536
    headers["CF-Connecting-IP"] = string.format("%s.%d.%d", kind.network, math.floor(low / 256), low % 256)
  end
  local path, body = kind.path:gsub("{}", number), kind.body:gsub("{}", number)
  return wrk.format("POST", path, headers, body)
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    '{"requests":%d,"seconds":%f,"bytes":%d,"refused":%d,"errors":%d,"cut":%d,' ..
    '"median":%d,"p90":%d,"p99":%d}',
    summary.requests, summary.duration / 1e6, summary.bytes, e.status,
    e.connect + e.read + e.write + e.timeout, e.read,
    latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
