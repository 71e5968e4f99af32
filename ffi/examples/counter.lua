--[[ counter.c once more, in Lua (LuaJIT), through the header alone: there is no binding to install.

         luajit counter.lua /usr/local/include/hersh.h hersh

     LuaJIT may be called back on its own thread only. So the watcher lives in a simulation, whose
     callbacks run on the thread that moves its clock: by hand, as here, or by the real time. ]]
local ffi = require "ffi"
jit.off() -- functions that call back must not be compiled

-- The header is plain C: without what is for C++ and C23, and the other lines of the preprocessor,
-- LuaJIT reads it as it is.
local header = assert(io.open(arg[1] or "/usr/local/include/hersh.h")):read "*a"
for _, left_out in ipairs { "#if defined%(__cplusplus%).-#endif[^\n]*", "#ifdef __cplusplus.-#endif[^\n]*",
                            "#if __STDC_VERSION__.-#else", "\n#[^\n]*" } do
    header = header:gsub(left_out, "")
end
ffi.cdef(header)
local C = ffi.load(arg[2] or "hersh")

local function check(status)
    if status ~= C.HERSH_STATUS_OK then error(ffi.string(C.hersh_last_error_message()), 2) end
end

-- Calls a function whose last argument is where a handle is written.
local function made(type, make, ...)
    local out = ffi.new(type .. " *[1]")
    local arguments = { ... }
    arguments[select("#", ...) + 1] = out
    check(make(unpack(arguments, 1, select("#", ...) + 1)))
    return out[0]
end

-- Called with the value before, or NULL: sets the value after. Values are JSON texts.
local add_one = ffi.cast("HershPollFn", function(poll)
    local before = C.hersh_poll_previous_json(poll)
    local count = before ~= nil and tonumber(ffi.string(before)) or 0
    return C.hersh_poll_set_json(poll, tostring(count + 1))
end)

-- Runs once at the start, then again for each message and each tick; never twice at once.
local count = ffi.cast("HershManagedFn", function(message, context)
    local tick = ffi.new "HershTick"
    check(C.hersh_context_watch_tick(context, "tick", 100, tick))
    if tick.triggered then check(C.hersh_context_update_value_json(context, "ticks", add_one, nil)) end
    if message == nil then return C.HERSH_OUTCOME_OK end
    print("message: " .. ffi.string(message))
    if ffi.string(message) == "stop" then return C.hersh_context_stop(context, "the user asked") end
    return C.HERSH_OUTCOME_OK
end)

local world = made("HershSimulation", C.hersh_simulation_new, 7)
local watcher = made("HershWatcher", C.hersh_simulation_watcher_new, world, nil)
check(C.hersh_watcher_manage(watcher, "count", count, nil, nil))
check(C.hersh_watcher_start(watcher))
check(C.hersh_watcher_send(watcher, "hello"))
check(C.hersh_simulation_advance_ms(world, 1000)) -- a second of ticks, in no time
check(C.hersh_watcher_send(watcher, "stop"))
check(C.hersh_simulation_run_until_idle(world))

local text = made("char", C.hersh_watcher_value_json, watcher, "ticks")
print("ticks: " .. ffi.string(text))
check(C.hersh_string_free(text))
print("it is " .. ffi.string(C.hersh_state_name(C.hersh_watcher_state(watcher))))
check(C.hersh_watcher_free(watcher))
check(C.hersh_simulation_free(world))
assert(C.hersh_alive() == 0, "something was not given back")
