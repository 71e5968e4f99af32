/*
 * hersh for C++17: a thin layer over hersh.h, which says what each function does.
 *
 * Objects own their handles and free them. What fails throws hersh::Error, with the status. Callbacks
 * are any callables; what one throws is caught before it reaches C: hersh::Stop, Kill and Crash control
 * the watcher, everything else is a normal error with its words. Values are JSON texts.
 */
#ifndef HERSH_HPP
#define HERSH_HPP

#include <hersh.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hersh {

using Milliseconds = std::chrono::milliseconds;

/* Longer than any wait. */
inline constexpr Milliseconds forever = Milliseconds::max();

/* Why something was not done. */
class Error : public std::runtime_error {
  public:
    Error(HershStatus status, const std::string &words)
        : std::runtime_error(words), status_(status) {}
    HershStatus status() const noexcept { return status_; }
    const char *name() const noexcept { return hersh_status_name(status_); }

  private:
    HershStatus status_;
};

/* What a managed function throws to control its watcher. */
struct Stop : std::runtime_error { using std::runtime_error::runtime_error; };
struct Kill : std::runtime_error { using std::runtime_error::runtime_error; };
struct Crash : std::runtime_error { using std::runtime_error::runtime_error; };

namespace detail {

inline std::string last_words() {
    const char *words = hersh_last_error_message();
    return words ? words : "";
}

inline void check(HershStatus status) {
    if (status != HERSH_STATUS_OK) throw Error(status, last_words());
}

inline std::uint64_t count(Milliseconds time) {
    return time == forever ? HERSH_FOREVER : static_cast<std::uint64_t>(time.count());
}

/* A text that the call hands over. */
template <class Call> std::string text(Call &&call) {
    char *handed_over = nullptr;
    check(call(&handed_over));
    std::string text(handed_over);
    hersh_string_free(handed_over);
    return text;
}

/* A text that is lent, or none. */
inline std::optional<std::string> lent(const char *text) {
    return text ? std::optional<std::string>(text) : std::nullopt;
}

inline const char *or_null(const std::optional<std::string> &text) {
    return text ? text->c_str() : nullptr;
}

inline const std::uint8_t *bytes(std::string_view text) {
    return reinterpret_cast<const std::uint8_t *>(text.data());
}

/* The one owner of a handle. */
template <class T, HershStatus (*Free)(T *)> class Handle {
  public:
    explicit Handle(T *raw = nullptr) noexcept : raw_(raw) {}
    Handle(Handle &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }
    ~Handle() { Free(raw_); }
    /* The handle, for functions of hersh.h; it stays this object's. */
    T *get() const noexcept { return raw_; }

  protected:
    template <class Make> static T *made(Make &&make) {
        T *raw = nullptr;
        check(make(&raw));
        return raw;
    }

  private:
    T *raw_;
};

/* A callable on its way through a void pointer, and back to be deleted. */
template <class F> void *boxed(F &&function) {
    return new std::decay_t<F>(std::forward<F>(function));
}
template <class F> void unboxed(void *data) { delete static_cast<F *>(data); }

} // namespace detail

/* Stops the watchers below it. */
class Token : public detail::Handle<HershToken, hersh_token_free> {
  public:
    explicit Token(Milliseconds timeout = forever)
        : Handle(made([&](auto out) { return hersh_token_new(detail::count(timeout), out); })) {}
    void cancel() { detail::check(hersh_token_cancel(get())); }
    bool is_cancelled() const noexcept { return hersh_token_is_cancelled(get()); }
};

/* What a watcher is built from. Every setting has a default. */
class Config : public detail::Handle<HershConfig, hersh_config_free> {
  public:
    Config() : Handle(made(hersh_config_new)) {}
    Config &name(const std::string &name) { return set(hersh_config_set_name(get(), name.c_str())); }
    Config &env(const std::string &key, const std::string &value) {
        return set(hersh_config_set_env(get(), key.c_str(), value.c_str()));
    }
    Config &parent(const Token &token) { return set(hersh_config_set_parent(get(), token.get())); }
    Config &default_timeout(Milliseconds time) {
        return set(hersh_config_set_default_timeout_ms(get(), detail::count(time)));
    }
    Config &stop_timeout(Milliseconds time) {
        return set(hersh_config_set_stop_timeout_ms(get(), detail::count(time)));
    }
    Config &signal_capacity(std::size_t n) { return set(hersh_config_set_signal_capacity(get(), n)); }
    Config &max_log_entries(std::size_t n) { return set(hersh_config_set_max_log_entries(get(), n)); }
    Config &max_memo_entries(std::size_t n) { return set(hersh_config_set_max_memo_entries(get(), n)); }
    Config &max_watches(std::size_t n) { return set(hersh_config_set_max_watches(get(), n)); }
    Config &seed(std::uint64_t seed) { return set(hersh_config_set_seed(get(), seed)); }
    Config &recovery(std::uint32_t max_retries, Milliseconds retry_delay, double backoff_factor = 2.0,
                     Milliseconds max_delay = Milliseconds(60000), double jitter = 0.0) {
        return set(hersh_config_set_recovery(get(), max_retries, detail::count(retry_delay),
                                             backoff_factor, detail::count(max_delay), jitter));
    }
    Config &persist(const std::string &path,
                    HershPersistWhen when = HERSH_PERSIST_WHEN_EACH_EXECUTION) {
        return set(hersh_config_set_persist(get(), path.c_str(), when));
    }
    Config &journal(const std::string &path, std::uint64_t max_bytes = HERSH_JOURNAL_MAX_BYTES,
                    std::uint32_t keep = HERSH_JOURNAL_KEEP) {
        return set(hersh_config_set_journal(get(), path.c_str(), max_bytes, keep));
    }
    Config &api(const std::optional<std::string> &address = std::nullopt) {
        return set(hersh_config_set_api(get(), detail::or_null(address)));
    }
    Config &api_token(const std::string &token) {
        return set(hersh_config_set_api_token(get(), token.c_str()));
    }
    Config &api_show_secrets(bool show) { return set(hersh_config_set_api_show_secrets(get(), show)); }
    Config &api_host(const std::string &host) {
        return set(hersh_config_add_api_host(get(), host.c_str()));
    }

  private:
    Config &set(HershStatus status) {
        detail::check(status);
        return *this;
    }
};

/* A bounded channel of JSON values into a watcher. */
class Flow : public detail::Handle<HershFlow, hersh_flow_free> {
  public:
    explicit Flow(std::size_t capacity)
        : Handle(made([&](auto out) { return hersh_flow_new(capacity, out); })) {}
    void push(const std::string &json, Milliseconds timeout = Milliseconds(0)) {
        detail::check(hersh_flow_push_json(get(), json.c_str(), detail::count(timeout)));
    }
    void close() { detail::check(hersh_flow_close(get())); }
};

/* What a poll sees. It returns the next value; `std::nullopt`: what it was. */
class Poll {
  public:
    explicit Poll(HershPoll *raw) : raw_(raw) {}
    std::optional<std::string> previous() const {
        return detail::lent(hersh_poll_previous_json(raw_));
    }
    std::optional<std::string> fetched() const { return detail::lent(hersh_poll_fetched_json(raw_)); }

  private:
    HershPoll *raw_;
};

using Polling = std::function<std::optional<std::string>(const Poll &)>;

/* A watched variable, and a timer, as one execution sees them. */
struct Watched {
    std::optional<std::string> json, error;
    bool updated, triggered;
};
using Tick = HershTick;

namespace detail {

inline std::int32_t poll(HershPoll *poll, const Polling &polling) noexcept {
    try {
        const auto next = polling(Poll(poll));
        return next ? hersh_poll_set_json(poll, next->c_str()) : hersh_poll_set_same(poll);
    } catch (const std::exception &error) {
        hersh_poll_set_error(poll, error.what());
    } catch (...) {
        hersh_poll_set_error(poll, "something that is no std::exception was thrown");
    }
    return HERSH_OUTCOME_ERROR;
}

inline std::int32_t poll_one(HershPoll *raw, void *data) noexcept {
    return poll(raw, *static_cast<Polling *>(data));
}

using TwoSteps = std::pair<Polling, Polling>;
inline std::int32_t fetch(HershPoll *raw, void *data) noexcept {
    return poll(raw, static_cast<TwoSteps *>(data)->first);
}
inline std::int32_t update(HershPoll *raw, void *data) noexcept {
    return poll(raw, static_cast<TwoSteps *>(data)->second);
}

/* A memo, or a null pointer with what was thrown. */
struct Computing {
    std::function<void *()> compute;
    std::exception_ptr thrown;
    static void *run(void *data) noexcept {
        auto &self = *static_cast<Computing *>(data);
        try {
            return self.compute();
        } catch (...) {
            self.thrown = std::current_exception();
            return nullptr;
        }
    }
};

} // namespace detail

/* One execution, seen from inside. Lives until the callback that was given it returns. */
class Context {
  public:
    explicit Context(HershContext *raw) : raw_(raw) {}
    HershContext *get() const noexcept { return raw_; }

    HershTrigger trigger() const { return hersh_context_trigger(raw_); }
    std::string trigger_json() const { return hersh_context_trigger_json(raw_); }
    std::optional<std::string> message() const {
        const char *text = nullptr;
        std::size_t length = 0;
        if (hersh_context_message(raw_, &text, &length) != HERSH_STATUS_OK) return std::nullopt;
        return std::string(text, length);
    }
    std::uint64_t message_id() const { return hersh_context_message_id(raw_); }
    std::uint32_t attempt() const { return hersh_context_attempt(raw_); }
    std::uint64_t execution() const { return hersh_context_execution(raw_); }
    std::string watcher_id() const { return hersh_context_watcher_id(raw_); }
    Milliseconds now() const { return Milliseconds(hersh_context_now_ms(raw_)); }
    Milliseconds deadline() const { return Milliseconds(hersh_context_deadline_ms(raw_)); }
    Milliseconds remaining() const { return Milliseconds(hersh_context_remaining_ms(raw_)); }
    bool cancelled() const { return hersh_context_cancelled(raw_); }
    bool sleep(Milliseconds time) const { return hersh_context_sleep_ms(raw_, detail::count(time)); }
    void log(const std::string &words) const {
        detail::check(hersh_context_log(raw_, words.c_str()));
    }
    std::optional<std::string> env(const std::string &key) const {
        return detail::lent(hersh_context_get_env(raw_, key.c_str()));
    }

    Watched watch_call(const std::string &name, Milliseconds every, Polling poll) const {
        return watched([&](HershWatched *out) {
            return hersh_context_watch_call(raw_, name.c_str(), detail::count(every),
                                            detail::poll_one, detail::boxed(std::move(poll)),
                                            detail::unboxed<Polling>, out);
        });
    }
    Watched watch_call_update(const std::string &name, Milliseconds every, Polling fetch,
                              Polling update) const {
        return watched([&](HershWatched *out) {
            auto steps = detail::TwoSteps(std::move(fetch), std::move(update));
            return hersh_context_watch_call_update(raw_, name.c_str(), detail::count(every),
                                                   detail::fetch, detail::update,
                                                   detail::boxed(std::move(steps)),
                                                   detail::unboxed<detail::TwoSteps>, out);
        });
    }
    Watched watch_flow(const std::string &name, const Flow &flow) const {
        return watched([&](HershWatched *out) {
            return hersh_context_watch_flow(raw_, name.c_str(), flow.get(), out);
        });
    }
    Watched watch_flow_latest(const std::string &name, const Flow &flow) const {
        return watched([&](HershWatched *out) {
            return hersh_context_watch_flow_latest(raw_, name.c_str(), flow.get(), out);
        });
    }
    Tick watch_tick(const std::string &name, Milliseconds every) const {
        Tick tick{};
        detail::check(hersh_context_watch_tick(raw_, name.c_str(), detail::count(every), &tick));
        return tick;
    }
    bool unwatch(const std::string &name) const { return hersh_context_unwatch(raw_, name.c_str()); }

    std::optional<std::string> value(const std::string &key) const {
        char *json = nullptr;
        const auto status = hersh_context_get_value_json(raw_, key.c_str(), &json);
        if (status == HERSH_STATUS_NOT_FOUND) return std::nullopt;
        return detail::text([&](char **out) { return *out = json, status; });
    }
    void set_value(const std::string &key, const std::string &json) const {
        detail::check(hersh_context_set_value_json(raw_, key.c_str(), json.c_str()));
    }
    void update_value(const std::string &key, Polling update) const {
        detail::check(hersh_context_update_value_json(raw_, key.c_str(), detail::poll_one, &update));
    }
    /* A value of any type, computed once per session. Valid until the callback returns. */
    template <class Compute> auto memo(const std::string &name, Compute &&compute) const
        -> std::decay_t<decltype(compute())> & {
        using T = std::decay_t<decltype(compute())>;
        detail::Computing computing{[&] { return static_cast<void *>(new T(compute())); }, nullptr};
        void *value = nullptr;
        const auto status = hersh_context_memo(raw_, name.c_str(), detail::Computing::run, &computing,
                                               detail::unboxed<T>, &value);
        if (computing.thrown) std::rethrow_exception(computing.thrown);
        detail::check(status);
        return *static_cast<T *>(value);
    }
    bool clear_memo(const std::string &name) const {
        return hersh_context_clear_memo(raw_, name.c_str());
    }

  private:
    template <class Watch> static Watched watched(Watch &&watch) {
        HershWatched seen{};
        detail::check(watch(&seen));
        return {detail::lent(seen.json), detail::lent(seen.error), seen.updated, seen.triggered};
    }
    HershContext *raw_;
};

/* The managed function gets the message that triggered it, if one did. */
using Managed = std::function<void(const std::optional<std::string> &, const Context &)>;
using Cleanup = std::function<void(const Context &)>;

namespace detail {

inline std::int32_t managed(const char *, HershContext *raw, void *data) noexcept {
    try {
        const Context context(raw);
        (*static_cast<Managed *>(data))(context.message(), context);
        return HERSH_OUTCOME_OK;
    } catch (const Stop &reason) {
        return hersh_context_stop(raw, reason.what());
    } catch (const Kill &reason) {
        return hersh_context_kill(raw, reason.what());
    } catch (const Crash &reason) {
        return hersh_context_crash(raw, reason.what());
    } catch (const std::exception &error) {
        return hersh_context_error(raw, error.what());
    } catch (...) {
        return hersh_context_error(raw, "something that is no std::exception was thrown");
    }
}

inline void cleanup(HershContext *raw, void *data) noexcept {
    try {
        (*static_cast<Cleanup *>(data))(Context(raw));
    } catch (const std::exception &error) {
        hersh_context_log(raw, error.what());
    } catch (...) {
        hersh_context_log(raw, "something that is no std::exception was thrown");
    }
}

} // namespace detail

/* What is left when a session has ended. */
class Report : public detail::Handle<HershReport, hersh_report_free> {
  public:
    explicit Report(HershReport *raw) : Handle(raw) {}
    HershState state() const { return hersh_report_state(get()); }
    std::vector<std::string> unserved() const {
        std::vector<std::string> messages(hersh_report_unserved_count(get()));
        for (std::size_t at = 0; at < messages.size(); at++) {
            std::size_t length = 0;
            const char *text = hersh_report_unserved(get(), at, &length);
            messages[at].assign(text, length);
        }
        return messages;
    }
};

/* A watcher: one managed function that runs again whenever something asks for it. */
class Watcher : public detail::Handle<HershWatcher, hersh_watcher_free> {
  public:
    Watcher() : Handle(made([](auto out) { return hersh_watcher_new(nullptr, out); })) {}
    explicit Watcher(const Config &config)
        : Handle(made([&](auto out) { return hersh_watcher_new(config.get(), out); })) {}
    explicit Watcher(HershWatcher *raw) : Handle(raw) {}

    void manage(const std::string &name, Managed managed) {
        detail::check(hersh_watcher_manage(get(), name.c_str(), detail::managed,
                                           detail::boxed(std::move(managed)),
                                           detail::unboxed<Managed>));
    }
    void cleanup(Cleanup cleanup) {
        detail::check(hersh_watcher_cleanup(get(), detail::cleanup, detail::boxed(std::move(cleanup)),
                                            detail::unboxed<Cleanup>));
    }
    void start() { detail::check(hersh_watcher_start(get())); }
    Report stop() { return report([&](auto out) { return hersh_watcher_stop(get(), out); }); }
    Report stop_with(Milliseconds timeout, bool drain) {
        return report([&](auto out) {
            return hersh_watcher_stop_with(get(), detail::count(timeout), drain, out);
        });
    }
    void request_stop(const std::string &reason) {
        detail::check(hersh_watcher_request_stop(get(), reason.c_str()));
    }
    void request_stop_with(const std::string &reason, Milliseconds timeout, bool drain) {
        const auto limit = detail::count(timeout);
        detail::check(hersh_watcher_request_stop_with(get(), reason.c_str(), limit, drain));
    }
    void kill() { detail::check(hersh_watcher_kill(get())); }
    Report run() { return report([&](auto out) { return hersh_watcher_run(get(), out); }); }
    Report wait(Milliseconds timeout = forever) {
        return report([&](auto out) { return hersh_watcher_wait(get(), detail::count(timeout), out); });
    }
    void wait_for(HershState state, Milliseconds timeout = forever) {
        detail::check(hersh_watcher_wait_for(get(), state, detail::count(timeout)));
    }
    /* A message is text; one with NULs within is sent whole. */
    void send(std::string_view text) {
        if (text.find('\0') == text.npos) {
            return detail::check(hersh_watcher_send(get(), std::string(text).c_str()));
        }
        detail::check(hersh_watcher_send_bytes(get(), detail::bytes(text), text.size()));
    }
    void send(const std::string &text, Milliseconds timeout) {
        detail::check(hersh_watcher_send_timeout(get(), text.c_str(), detail::count(timeout)));
    }

    HershState state() const { return hersh_watcher_state(get()); }
    std::string state_name() const { return hersh_state_name(state()); }
    bool is_running() const { return hersh_watcher_is_running(get()); }
    Milliseconds now() const { return Milliseconds(hersh_watcher_now_ms(get())); }
    std::string id() const { return shown(hersh_watcher_id); }
    std::string name() const { return shown(hersh_watcher_name); }
    std::string managed_name() const { return shown(hersh_watcher_managed_name); }
    std::string stats_json() const { return shown(hersh_watcher_stats_json); }
    std::string values_json() const { return shown(hersh_watcher_values_json); }
    std::string watched_json() const { return shown(hersh_watcher_watched_json); }
    std::string memos_json() const { return shown(hersh_watcher_memos_json); }
    std::string signals_json() const { return shown(hersh_watcher_signals_json); }
    std::string value_json(const std::string &key) const {
        return detail::text([&](auto out) { return hersh_watcher_value_json(get(), key.c_str(), out); });
    }
    std::string logs_json(const std::string &kind, std::size_t limit) const {
        return detail::text(
            [&](auto out) { return hersh_watcher_logs_json(get(), kind.c_str(), limit, out); });
    }
    std::string start_api_server(const std::string &address) {
        return detail::text(
            [&](auto out) { return hersh_watcher_start_api_server(get(), address.c_str(), out); });
    }
    std::string api_address() const { return shown(hersh_watcher_api_address); }
    void stop_api_server() { detail::check(hersh_watcher_stop_api_server(get())); }

  private:
    template <class Show> std::string shown(Show &&show) const {
        return detail::text([&](char **out) { return show(get(), out); });
    }
    template <class End> static Report report(End &&end) { return Report(made_report(end)); }
    template <class End> static HershReport *made_report(End &&end) {
        HershReport *raw = nullptr;
        detail::check(end(&raw));
        return raw;
    }
};

/* A virtual clock and the watchers that live by it. */
class Simulation : public detail::Handle<HershSimulation, hersh_simulation_free> {
  public:
    explicit Simulation(std::uint64_t seed)
        : Handle(made([&](auto out) { return hersh_simulation_new(seed, out); })) {}
    Watcher watcher() { return built(nullptr); }
    Watcher watcher(const Config &config) { return built(config.get()); }
    Milliseconds now() const { return Milliseconds(hersh_simulation_now_ms(get())); }
    void run_until_idle() { detail::check(hersh_simulation_run_until_idle(get())); }
    void advance(Milliseconds time) {
        detail::check(hersh_simulation_advance_ms(get(), detail::count(time)));
    }
    void inject_poll(const Watcher &watcher, const std::string &name, const std::string &json) {
        detail::check(hersh_simulation_inject_poll_json(get(), watcher.get(), name.c_str(),
                                                        json.c_str()));
    }
    void fail_polls(const Watcher &watcher, const std::string &name, std::uint32_t times,
                    const std::string &words) {
        detail::check(hersh_simulation_fail_polls(get(), watcher.get(), name.c_str(), times,
                                                  words.c_str()));
    }
    void delay_polls(const Watcher &watcher, const std::string &name, Milliseconds delay) {
        detail::check(hersh_simulation_delay_polls_ms(get(), watcher.get(), name.c_str(),
                                                      detail::count(delay)));
    }
    std::string trace() const {
        return detail::text([&](auto out) { return hersh_simulation_trace(get(), out); });
    }
    std::uint64_t trace_digest() const { return hersh_simulation_trace_digest(get()); }

  private:
    Watcher built(const HershConfig *config) {
        HershWatcher *raw = nullptr;
        detail::check(hersh_simulation_watcher_new(get(), config, &raw));
        return Watcher(raw);
    }
};

/* What a replay has shown: whether all was the same, and the report as JSON. */
struct Replayed {
    bool same;
    std::string json;
};

/* The inputs of a journal, given to a managed function without any waiting. */
class Replay : public detail::Handle<HershReplay, hersh_replay_free> {
  public:
    explicit Replay(const std::string &path)
        : Handle(made([&](auto out) { return hersh_replay_new(path.c_str(), out); })) {}
    Replay &env(const std::string &key, const std::string &value) {
        detail::check(hersh_replay_set_env(get(), key.c_str(), value.c_str()));
        return *this;
    }
    Replayed run(Managed managed) const {
        Replayed replayed{};
        replayed.json = detail::text([&](char **out) {
            return hersh_replay_run(get(), detail::managed, detail::boxed(std::move(managed)),
                                    detail::unboxed<Managed>, &replayed.same, out);
        });
        return replayed;
    }
};

/* How many handles and strings this program holds. */
inline std::size_t alive() noexcept { return hersh_alive(); }
/* The version of the library that runs. */
inline std::string version() { return hersh_version(); }

} // namespace hersh

#include "hersh_kharon.hpp"

#endif
