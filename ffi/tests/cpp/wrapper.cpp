// The wrapper for C++: what it owns it frees, what fails throws, and no exception crosses into C.
#include <cstdlib>
#include <hersh.hpp>
#include <iostream>

using namespace std::chrono_literals;

#define CHECK(condition)                                                               \
    do {                                                                               \
        if (!(condition)) {                                                            \
            std::cerr << __FILE__ << ':' << __LINE__ << ": " << #condition << '\n';    \
            std::exit(1);                                                              \
        }                                                                              \
    } while (0)

template <class Call> static HershStatus refused(Call &&call) {
    try {
        call();
    } catch (const hersh::Error &error) {
        CHECK(error.what()[0] != '\0');
        return error.status();
    }
    return HERSH_STATUS_OK;
}

static void what_is_thrown_decides() {
    hersh::Watcher watcher(hersh::Config().recovery(0, 1ms));
    watcher.manage("throw", [](const auto &message, const hersh::Context &) {
        if (message == "int") throw 17;
        if (message == "error") throw std::runtime_error("no network");
        if (message == "crash") throw hersh::Crash("broken");
    });
    CHECK(refused([&] { watcher.send("x"); }) == HERSH_STATUS_NOT_RUNNING);
    watcher.start();
    for (const char *message : {"int", "error", "crash"}) watcher.send(message);
    CHECK(watcher.wait(60s).state() == HERSH_STATE_CRASHED);
    CHECK(watcher.stats_json().find("\"errors\":2") != std::string::npos);
    CHECK(watcher.logs_json("effect_result", 9).find("no network") != std::string::npos);
}

static void a_simulated_watcher_sees_everything() {
    hersh::Simulation world(1);
    hersh::Flow flow(4);
    hersh::Watcher watcher = world.watcher(hersh::Config().env("KEY", "value"));
    std::string seen;
    int computed = 0;
    watcher.manage("watch", [&](const auto &message, const hersh::Context &context) {
        CHECK(context.env("KEY") == "value" && !context.env("OTHER"));
        const auto price = context.watch_call("price", 1s, [](const hersh::Poll &) { return "3"; });
        const auto sum = context.watch_call_update(
            "sum", 1s, [](const hersh::Poll &) { return "2"; },
            [](const hersh::Poll &poll) -> std::optional<std::string> {
                const int last = std::stoi(poll.previous().value_or("0"));
                if (last >= 4) return std::nullopt;
                return std::to_string(last + std::stoi(*poll.fetched()));
            });
        const auto event = context.watch_flow("events", flow);
        if (price.triggered) seen += "p" + *price.json;
        if (sum.triggered) seen += "s" + *sum.json;
        if (event.triggered) seen += "e" + *event.json;
        CHECK(context.memo("memo", [&] { return ++computed; }) == 1);
        CHECK(refused([&] { context.watch_tick("price", 1s); }) == HERSH_STATUS_MISMATCH);
        try {
            context.memo("bad", []() -> int { throw std::out_of_range("far"); });
            CHECK(false);
        } catch (const std::out_of_range &) {
        }
        if (message) context.set_value("whole", std::to_string(message->size()));
    });
    world.inject_poll(watcher, "price", "1");
    watcher.start();
    world.run_until_idle();
    flow.push("7");
    watcher.send(std::string_view("a\0b", 3));
    world.advance(5s);
    CHECK(seen.find("p1") != seen.npos && seen.find("p3") != seen.npos);
    CHECK(seen.find("s4") != seen.npos && seen.find("s6") == seen.npos && seen.find("e7") != seen.npos);
    CHECK(watcher.value_json("whole") == "3" && computed == 1);
    CHECK(!world.trace().empty() && world.trace_digest() != 0);
}

static void tickets_in_virtual_time() {
    hersh::Kharon kharon(hersh::KharonConfig().virtual_time(true).backoff(1.0, 10s, 0.0));
    std::string seen;
    kharon.start(hersh::Router().handle("mail", [&](const hersh::Claim &claim) {
        seen += claim.payload();
        if (claim.attempts() == 1) throw std::runtime_error("busy");
        claim.done(hersh::Options().payload("sent"));
    }));
    kharon.add(hersh::NewTicket("mail", "one").payload(std::string_view("\0x", 2)).delay(60s));
    CHECK(refused([&] { kharon.add(hersh::NewTicket("mail", "one")); }) == HERSH_STATUS_EXISTS);
    CHECK(kharon.advance(59s) == 0 && kharon.advance(60s) == 2);
    CHECK(seen == std::string("\0x\0x", 4));
    const hersh::Ticket ticket = kharon.get_ticket("one");
    CHECK(ticket.status() == HERSH_TICKET_STATUS_DONE && ticket.payload() == "sent");
    CHECK(kharon.add_if_absent(hersh::NewTicket("mail", "one")) == "one");
    CHECK(kharon.list_json(HERSH_TICKET_STATUS_DONE, {}, 9).find("\"one\"") != std::string::npos);
    kharon.remove("one");
    CHECK(refused([&] { kharon.get_ticket("one"); }) == HERSH_STATUS_NOT_FOUND);
}

int main() {
    what_is_thrown_decides();
    a_simulated_watcher_sees_everything();
    tickets_in_virtual_time();
    CHECK(hersh::alive() == 0);
}
