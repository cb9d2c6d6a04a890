{# The run loop. Brian2's asks the operating system for the time after every step;
   with steps of a few microseconds that is a tenth of the work. This one looks at the
   clock when it begins, when it ends, and every 1024 steps if a report is wanted. #}
{% macro cpp_file() %}
#include "network.h"
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#ifdef __linux__
#include <sys/prctl.h>
#include <unistd.h>
#endif

double Network::_last_run_time = 0.0;
double Network::_last_run_completed_fraction = 0.0;
bool Network::_globally_stopped = false;
bool Network::_globally_running = false;

namespace {
    using Moment = std::chrono::steady_clock::time_point;

    double seconds_since(const Moment& begin)
    {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
}

namespace {
    // End with the process that started this program and waits for its results.
    void obey_starter()
    {
        const char* starter = std::getenv("NEUROSIM_PARENT");
        if (!starter)
            return;
        // Brian2's handler would end an interrupted run early, as if it were complete; the
        // starter must see that it was interrupted.
        std::signal(SIGINT, SIG_DFL);
#ifdef __linux__
        // Otherwise the run would go on after its starter is killed. The kernel ends it with the
        // thread that started it; if that was gone before this request, the parent differs.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != std::atol(starter))
            std::_Exit(1);
#endif
    }
}

Network::Network() : t(0.0) {}

void Network::clear() { objects.clear(); }

void Network::add(Clock* clock, codeobj_func function)
{
    objects.emplace_back(clock, function);
}

void Network::find_clocks()
{
    clocks.clear();
    for (const auto& object : objects)
        clocks.insert(object.first);
}

Clock* Network::earliest_clock()
{
    due.clear();
    Clock* earliest = nullptr;
    for (Clock* clock : clocks)
        if (!earliest || clock->t[0] < earliest->t[0])
            earliest = clock;
    for (Clock* clock : clocks)
        if (std::fabs(clock->t[0] - earliest->t[0]) <= 1e-14)
            due.insert(clock);
    return earliest;
}

void Network::step()
{
    const bool all_due = due.size() == clocks.size();
    for (const auto& object : objects)
        if (object.second && (all_due || due.count(object.first)))
            object.second();
    for (Clock* clock : due)
        clock->tick();
}

void Network::run(const double duration, report_func_type report, const double report_period)
{
    obey_starter();
    const double start = t;
    const double stop = t + duration;
    const Moment begin = std::chrono::steady_clock::now();
    double next_report = report_period;
    find_clocks();
    for (Clock* clock : clocks)
        clock->set_interval(start, stop);
    if (report)
        report(0.0, 0.0, start, duration);

    _globally_running = true;
    _globally_stopped = false;
    Clock* clock = earliest_clock();
    for (unsigned long count = 0; clock && clock->running() && !_globally_stopped; count++)
    {
        t = clock->t[0];
        step();
        if (clocks.size() > 1)
            clock = earliest_clock();
        if (report && count % 1024 == 0 && seconds_since(begin) > next_report)
        {
            report(seconds_since(begin), (t - start) / duration, start, duration);
            next_report += report_period;
        }
    }
    _globally_running = false;

    t = _globally_stopped ? clock->t[0] : stop;
    _last_run_time = seconds_since(begin);
    _last_run_completed_fraction = duration > 0 ? (t - start) / duration : 1.0;
    if (report)
        report(_last_run_time, _last_run_completed_fraction, start, duration);
}
{% endmacro %}

{% macro h_file() %}
#ifndef _NEUROSIM_NETWORK_H
#define _NEUROSIM_NETWORK_H

#include <set>
#include <utility>
#include <vector>
#include "brianlib/clocks.h"

typedef void (*codeobj_func)();
typedef void (*report_func_type)(const double, const double, const double, const double);

class Network
{
    std::set<Clock*> clocks, due;
    void find_clocks();
    Clock* earliest_clock();
    void step();
public:
    std::vector<std::pair<Clock*, codeobj_func>> objects;
    double t;
    static double _last_run_time;
    static double _last_run_completed_fraction;
    static bool _globally_stopped;
    static bool _globally_running;

    Network();
    void clear();
    void add(Clock* clock, codeobj_func function);
    void run(const double duration, report_func_type report, const double report_period);
};

#endif
{% endmacro %}
