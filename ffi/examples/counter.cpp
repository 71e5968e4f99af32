/*
 * counter.c once more, in C++17: objects free themselves, failures throw, callbacks are lambdas.
 *
 *     c++ -std=c++17 counter.cpp $(pkg-config --cflags --libs hersh) -o counter && ./counter
 */
#include <hersh.hpp>
#include <iostream>

using namespace std::chrono_literals;

/* Gets the value before, if there is one, and returns the value after. Values are JSON texts. */
static std::optional<std::string> add_one(const hersh::Poll &poll) {
    return std::to_string(std::stoll(poll.previous().value_or("0")) + 1);
}

int main() try {
    hersh::Watcher watcher(hersh::Config().name("counter").env("GREETING", "hello"));

    /* Runs once at the start, then again for each message and each tick; never twice at once. */
    watcher.manage("count", [](const auto &message, const hersh::Context &context) {
        if (context.watch_tick("tick", 100ms).triggered) context.update_value("ticks", add_one);
        if (!message) return;
        context.update_value("messages", add_one);
        std::cout << *context.env("GREETING") << ", " << *message << '\n';
        if (*message == "stop") throw hersh::Stop("the user asked");
        if (*message == "oops") throw std::runtime_error("an error is logged, and it goes on");
    });
    watcher.cleanup([](const hersh::Context &context) {
        std::cout << "messages: " << context.value("messages").value_or("none") << '\n';
    });

    watcher.start();
    for (const char *message : {"Ada", "oops", "stop"}) watcher.send(message);
    const hersh::Report report = watcher.wait();
    std::cout << "it is " << hersh_state_name(report.state()) << ", after "
              << watcher.logs_json("effect_result", 2) << '\n';
} catch (const hersh::Error &error) {
    std::cerr << error.name() << ": " << error.what() << '\n';
    return 1;
}
