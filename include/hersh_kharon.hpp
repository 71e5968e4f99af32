/*
 * Kharon for C++17: tickets that are not lost. Part of hersh.hpp, which includes it.
 */
#ifndef HERSH_KHARON_HPP
#define HERSH_KHARON_HPP

#include "hersh.hpp"

namespace hersh {

/* How a Kharon works, and where its tickets are kept: in memory, unless said otherwise. */
class KharonConfig : public detail::Handle<HershKharonConfig, hersh_kharon_config_free> {
  public:
    KharonConfig() : Handle(made(hersh_kharon_config_new)) {}
    KharonConfig &sqlite(const std::string &path, HershDurability durability = HERSH_DURABILITY_FULL,
                         Milliseconds busy_timeout = Milliseconds(10000)) {
        return set(hersh_kharon_config_set_sqlite(get(), path.c_str(), durability,
                                                  detail::count(busy_timeout)));
    }
    KharonConfig &virtual_time(bool on) {
        return set(hersh_kharon_config_set_virtual_time(get(), on));
    }
    KharonConfig &workers(std::size_t n) { return set(hersh_kharon_config_set_workers(get(), n)); }
    KharonConfig &batch_size(std::size_t n) {
        return set(hersh_kharon_config_set_batch_size(get(), n));
    }
    KharonConfig &process_time(Milliseconds time) {
        return set(hersh_kharon_config_set_process_time_ms(get(), detail::count(time)));
    }
    KharonConfig &poll_interval(Milliseconds shortest, Milliseconds longest) {
        return set(hersh_kharon_config_set_poll_interval_ms(get(), detail::count(shortest),
                                                            detail::count(longest)));
    }
    KharonConfig &expiration(bool on) { return set(hersh_kharon_config_set_expiration(get(), on)); }
    KharonConfig &backoff(double base, Milliseconds max, double jitter) {
        return set(hersh_kharon_config_set_backoff(get(), base, detail::count(max), jitter));
    }
    KharonConfig &max_attempts(std::uint32_t n) {
        return set(hersh_kharon_config_set_max_attempts(get(), n));
    }
    KharonConfig &keep_done(Milliseconds time) {
        return set(hersh_kharon_config_set_keep_done_ms(get(), detail::count(time)));
    }
    KharonConfig &tube(const std::string &tube) {
        return set(hersh_kharon_config_add_tube(get(), tube.c_str()));
    }

  private:
    KharonConfig &set(HershStatus status) {
        detail::check(status);
        return *this;
    }
};

/* What to say when a ticket is settled. */
class Options : public detail::Handle<HershOptions, hersh_options_free> {
  public:
    Options() : Handle(made(hersh_options_new)) {}
    Options &expire_in(Milliseconds time) {
        return set(hersh_options_set_expire_in_ms(get(), detail::count(time)));
    }
    Options &keep() { return set(hersh_options_set_keep(get())); }
    Options &error_reason(const std::string &reason) {
        return set(hersh_options_set_error_reason(get(), reason.c_str()));
    }
    Options &delay(Milliseconds time) {
        return set(hersh_options_set_delay_ms(get(), detail::count(time)));
    }
    Options &nice(std::int32_t nice) { return set(hersh_options_set_nice(get(), nice)); }
    Options &payload(std::string_view bytes) {
        return set(hersh_options_set_payload(get(), detail::bytes(bytes), bytes.size()));
    }

  private:
    Options &set(HershStatus status) {
        detail::check(status);
        return *this;
    }
};

/* A ticket that is to be added; without an id it gets a random one. */
class NewTicket : public detail::Handle<HershNewTicket, hersh_new_ticket_free> {
  public:
    explicit NewTicket(const std::string &kind, const std::optional<std::string> &id = std::nullopt)
        : Handle(made([&](auto out) {
              return hersh_new_ticket_new(detail::or_null(id), kind.c_str(), out);
          })) {}
    std::string id() const {
        return detail::text([&](auto out) { return hersh_new_ticket_id(get(), out); });
    }
    NewTicket &payload(std::string_view bytes) {
        return set(hersh_new_ticket_set_payload(get(), detail::bytes(bytes), bytes.size()));
    }
    NewTicket &nice(std::int32_t nice) { return set(hersh_new_ticket_set_nice(get(), nice)); }
    NewTicket &delay(Milliseconds time) {
        return set(hersh_new_ticket_set_delay_ms(get(), detail::count(time)));
    }
    NewTicket &run_at(Milliseconds since_epoch) {
        return set(hersh_new_ticket_set_run_at_ms(get(), detail::count(since_epoch)));
    }
    NewTicket &tube(const std::string &tube) {
        return set(hersh_new_ticket_set_tube(get(), tube.c_str()));
    }
    NewTicket &group(const std::string &group) {
        return set(hersh_new_ticket_set_group(get(), group.c_str()));
    }
    NewTicket &unique_key(const std::string &key) {
        return set(hersh_new_ticket_set_unique_key(get(), key.c_str()));
    }
    NewTicket &repeat(Milliseconds period, HershCatchUp missed = HERSH_CATCH_UP_ONCE,
                      std::uint32_t at_most = 1) {
        return set(hersh_new_ticket_set_repeat_ms(get(), detail::count(period), missed, at_most));
    }
    NewTicket &repeat_cron(const std::string &line, HershCatchUp missed = HERSH_CATCH_UP_ONCE,
                           std::uint32_t at_most = 1) {
        return set(hersh_new_ticket_set_repeat_cron(get(), line.c_str(), missed, at_most));
    }

  private:
    NewTicket &set(HershStatus status) {
        detail::check(status);
        return *this;
    }
};

namespace detail {

/* The bytes that something lends. */
template <class Lend> std::string payload(Lend &&lend) {
    const std::uint8_t *bytes = nullptr;
    std::size_t length = 0;
    check(lend(&bytes, &length));
    return length ? std::string(reinterpret_cast<const char *>(bytes), length) : std::string();
}

} // namespace detail

/* A ticket as its store had it when it was asked. */
class Ticket : public detail::Handle<HershTicket, hersh_ticket_free> {
  public:
    explicit Ticket(HershTicket *raw) : Handle(raw) {}
    std::string id() const { return hersh_ticket_id(get()); }
    std::string type() const { return hersh_ticket_type(get()); }
    HershTicketStatus status() const { return hersh_ticket_status(get()); }
    std::uint32_t attempts() const { return hersh_ticket_attempts(get()); }
    std::uint64_t token() const { return hersh_ticket_token(get()); }
    std::optional<std::string> error_reason() const {
        return detail::lent(hersh_ticket_error_reason(get()));
    }
    std::string payload() const {
        return detail::payload(
            [&](auto bytes, auto length) { return hersh_ticket_payload(get(), bytes, length); });
    }
    std::string json() const {
        return detail::text([&](auto out) { return hersh_ticket_json(get(), out); });
    }
};

/* A ticket in the hands of a handler, until that returns. For the handler's thread alone. */
class Claim {
  public:
    explicit Claim(HershClaim *raw) : raw_(raw) {}
    std::string id() const { return hersh_claim_id(raw_); }
    std::string type() const { return hersh_claim_type(raw_); }
    std::uint32_t attempts() const { return hersh_claim_attempts(raw_); }
    std::uint64_t token() const { return hersh_claim_token(raw_); }
    Milliseconds remaining() const { return Milliseconds(hersh_claim_remaining_ms(raw_)); }
    bool is_stopping() const { return hersh_claim_is_stopping(raw_); }
    std::string payload() const {
        return detail::payload(
            [&](auto bytes, auto length) { return hersh_claim_payload(raw_, bytes, length); });
    }
    std::string json() const {
        return detail::text([&](auto out) { return hersh_claim_json(raw_, out); });
    }
    void done(const Options &options = Options()) const { settle(hersh_claim_done, options); }
    void ack(const Options &options = Options()) const { settle(hersh_claim_ack, options); }
    void fail(const Options &options = Options()) const { settle(hersh_claim_fail, options); }
    void cancel(const Options &options = Options()) const { settle(hersh_claim_cancel, options); }
    void retry(const Options &options = Options()) const { settle(hersh_claim_retry, options); }
    void leave() const { detail::check(hersh_claim_leave(raw_)); }
    void extend() const { detail::check(hersh_claim_extend(raw_)); }

  private:
    template <class Settle> void settle(Settle &&settle, const Options &options) const {
        detail::check(settle(raw_, options.get()));
    }
    HershClaim *raw_;
};

/* Runs a ticket; what it throws is a failed attempt, with its words. */
using Handler = std::function<void(const Claim &)>;

namespace detail {

inline std::int32_t handle(HershClaim *claim, void *data) noexcept {
    try {
        (*static_cast<Handler *>(data))(Claim(claim));
        return HERSH_OUTCOME_OK;
    } catch (const std::exception &error) {
        return hersh_claim_error(claim, error.what());
    } catch (...) {
        return hersh_claim_error(claim, "something that is no std::exception was thrown");
    }
}

} // namespace detail

/* Chooses a handler by a ticket's type. Handlers run on several threads at once. */
class Router : public detail::Handle<HershRouter, hersh_router_free> {
  public:
    Router() : Handle(made(hersh_router_new)) {}
    Router &handle(const std::string &kind, Handler handler) {
        detail::check(hersh_router_handle(get(), kind.c_str(), detail::handle,
                                          detail::boxed(std::move(handler)),
                                          detail::unboxed<Handler>));
        return *this;
    }
    Router &not_found(Handler handler) {
        detail::check(hersh_router_not_found(get(), detail::handle, detail::boxed(std::move(handler)),
                                             detail::unboxed<Handler>));
        return *this;
    }
    Router &limit(const std::string &kind, std::size_t at_once, std::uint32_t count = 0,
                  Milliseconds per = Milliseconds(0)) {
        detail::check(hersh_router_limit(get(), kind.c_str(), at_once, count, detail::count(per)));
        return *this;
    }
};

/* Which tickets: of a type, a tube, a group, where each is said. */
struct Filter {
    std::optional<std::string> kind, tube, group;
};

/* A queue of tickets, and the workers that run them. */
class Kharon : public detail::Handle<HershKharon, hersh_kharon_free> {
  public:
    Kharon() : Handle(made([](auto out) { return hersh_kharon_new(nullptr, out); })) {}
    explicit Kharon(const KharonConfig &config)
        : Handle(made([&](auto out) { return hersh_kharon_new(config.get(), out); })) {}

    void start(const Router &router) { detail::check(hersh_kharon_start(get(), router.get())); }
    void run(const Router &router) { detail::check(hersh_kharon_run(get(), router.get())); }
    HershKharonStopped stop(Milliseconds grace) {
        HershKharonStopped stopped{};
        detail::check(hersh_kharon_stop(get(), detail::count(grace), &stopped));
        return stopped;
    }
    bool is_stopping() const { return hersh_kharon_is_stopping(get()); }
    std::size_t advance(Milliseconds time) {
        std::size_t ran = 0;
        detail::check(hersh_kharon_advance_ms(get(), detail::count(time), &ran));
        return ran;
    }

    void add(const NewTicket &ticket) { detail::check(hersh_kharon_add(get(), ticket.get())); }
    HershAdded add_or_replace(const NewTicket &ticket) {
        HershAdded added{};
        detail::check(hersh_kharon_add_or_replace(get(), ticket.get(), &added));
        return added;
    }
    /* The id of the ticket that was there already, if one was. */
    std::optional<std::string> add_if_absent(const NewTicket &ticket) {
        HershAdded added{};
        char *kept = nullptr;
        detail::check(hersh_kharon_add_if_absent(get(), ticket.get(), &added, &kept));
        if (added != HERSH_ADDED_KEPT) return std::nullopt;
        return detail::text([&](char **out) { return *out = kept, HERSH_STATUS_OK; });
    }
    /* What became of each. */
    std::vector<HershStatus> add_all(const std::vector<NewTicket> &tickets,
                                     HershIfExists if_exists = HERSH_IF_EXISTS_REFUSE) {
        std::vector<const HershNewTicket *> raw = handles(tickets);
        std::vector<HershStatus> statuses(raw.size(), HERSH_STATUS_STORE_UNAVAILABLE);
        hersh_kharon_add_all(get(), raw.data(), raw.size(), if_exists, statuses.data());
        return statuses;
    }

    Ticket get_ticket(const std::string &id) const {
        HershTicket *raw = nullptr;
        detail::check(hersh_kharon_get(get(), id.c_str(), &raw));
        return Ticket(raw);
    }
    /* The JSON of a part of the tickets; `after` is the `next` of the part before. */
    std::string list_json(HershTicketStatus status, const Filter &filter, std::size_t at_most,
                          const std::optional<std::uint64_t> &after = std::nullopt) const {
        return detail::text([&](char **out) {
            return hersh_kharon_list_json(get(), status, detail::or_null(filter.kind),
                                          detail::or_null(filter.tube), detail::or_null(filter.group),
                                          at_most, after ? &*after : nullptr, out);
        });
    }
    std::string stats_json() const {
        return detail::text([&](auto out) { return hersh_kharon_stats_json(get(), out); });
    }
    std::string prometheus() const {
        return detail::text([&](auto out) { return hersh_kharon_prometheus(get(), out); });
    }

    /* Settles a ticket, whoever has it, or under the claim of a token. */
    void done(const std::string &id, const Options &options = Options(),
              std::uint64_t token = HERSH_NO_CLAIM) {
        settle(hersh_kharon_done, id, options, token);
    }
    void ack(const std::string &id, const Options &options = Options(),
             std::uint64_t token = HERSH_NO_CLAIM) {
        settle(hersh_kharon_ack, id, options, token);
    }
    void fail(const std::string &id, const Options &options = Options(),
              std::uint64_t token = HERSH_NO_CLAIM) {
        settle(hersh_kharon_fail, id, options, token);
    }
    void cancel(const std::string &id, const Options &options = Options(),
                std::uint64_t token = HERSH_NO_CLAIM) {
        settle(hersh_kharon_cancel, id, options, token);
    }
    void retry(const std::string &id, const Options &options = Options(),
               std::uint64_t token = HERSH_NO_CLAIM) {
        settle(hersh_kharon_retry, id, options, token);
    }
    void revive(const std::string &id, const Options &options = Options(),
                std::uint64_t token = HERSH_NO_CLAIM) {
        settle(hersh_kharon_revive, id, options, token);
    }
    void remove(const std::string &id, std::uint64_t token = HERSH_NO_CLAIM) {
        detail::check(hersh_kharon_delete(get(), id.c_str(), token));
    }
    std::size_t revive_all(const Filter &filter, std::size_t at_most) {
        std::size_t revived = 0;
        detail::check(hersh_kharon_revive_all(get(), detail::or_null(filter.kind),
                                              detail::or_null(filter.tube),
                                              detail::or_null(filter.group), at_most, &revived));
        return revived;
    }

    void open_group(const std::string &name, const std::vector<NewTicket> &finalizers = {},
                    Milliseconds expire_in = forever) {
        std::vector<const HershNewTicket *> raw = handles(finalizers);
        detail::check(hersh_kharon_open_group(get(), name.c_str(), raw.data(), raw.size(),
                                              detail::count(expire_in)));
    }
    void close_group(const std::string &name) {
        detail::check(hersh_kharon_close_group(get(), name.c_str()));
    }
    void delete_group(const std::string &name) {
        detail::check(hersh_kharon_delete_group(get(), name.c_str()));
    }
    std::string group_json(const std::string &name) const {
        return detail::text([&](auto out) { return hersh_kharon_group_json(get(), name.c_str(), out); });
    }

  private:
    template <class Settle>
    void settle(Settle &&settle, const std::string &id, const Options &options, std::uint64_t token) {
        detail::check(settle(get(), id.c_str(), token, options.get()));
    }
    static std::vector<const HershNewTicket *> handles(const std::vector<NewTicket> &tickets) {
        std::vector<const HershNewTicket *> raw;
        for (const NewTicket &ticket : tickets) raw.push_back(ticket.get());
        return raw;
    }
};

} // namespace hersh

#endif
