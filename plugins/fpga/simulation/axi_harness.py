"""The C++ around the Verilator model of `AxiAccelerator`: processor at its registers, memory at its bus. Ours."""

import re

from ..axi.register_map import Register

AXI_HARNESS = r"""
// arguments: memory before, memory after, byte address of its first byte, bytes of a beat, first byte of the code and
// of the program therein, instructions, latency of an answer, percent of the cycles in which each ready or valid
// of the bus is withheld, their seed
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>
#include "Vaxi_accelerator.h"
#include "verilated.h"

using Bytes = std::vector<unsigned char>;
using Time = unsigned long long;
double sc_time_stamp() { return 0; }

struct Burst { Time address; unsigned beats, done; Time from; Bytes data; };  // `from`: first cycle of an answer
struct Beat { Time address; Bytes data, strobes; };

const unsigned PAGE = 4096;
Vaxi_accelerator top;
Bytes memory;
Time origin, cycle = 0;
size_t beat;
unsigned latency, stalls;
std::mt19937 chance;
std::deque<Burst> reads, writes, answers;
std::deque<Beat> unanswered;  // written to memory with their answer, as late as AXI allows
bool reading = false, answering = false;  // a valid that was given stays

bool go() { return !stalls || chance() % 100 >= stalls; }

void check(bool right, int failure) { if (!right) exit(failure); }

Burst burst_of(Time address, unsigned length, int failure) {
    const Time size = (length + 1) * beat;
    check(address >= origin && address + size <= origin + memory.size(), failure);
    check(address % beat == 0 && address / PAGE == (address + size - 1) / PAGE, 6);
    return {address - origin, length + 1, 0, cycle + latency, {}};
}

void tick() {
    top.aclk = 0;
    if (!reading && !reads.empty() && cycle >= reads.front().from) reading = go();
    if (!answering && !answers.empty() && cycle >= answers.front().from) answering = go();
    top.m_axi_arready = go();
    top.m_axi_awready = go();
    top.m_axi_wready = !writes.empty() && go();
    top.m_axi_rvalid = reading;
    if (reading) {
        const Burst& burst = reads.front();
        memcpy(&top.m_axi_rdata, &burst.data[burst.done * beat], beat);
        top.m_axi_rlast = burst.done + 1 == burst.beats;
    }
    top.m_axi_bvalid = answering;
    top.eval();
    if (reading && top.m_axi_rready) {
        reading = false;
        if (++reads.front().done == reads.front().beats) reads.pop_front();
    }
    if (answering && top.m_axi_bready) {
        answering = false;
        for (unsigned left = answers.front().beats; left; left--) {
            const Beat& x = unanswered.front();
            for (size_t i = 0; i < beat; i++)
                if (x.strobes[i / 8] >> i % 8 & 1) memory[x.address + i] = x.data[i];
            unanswered.pop_front();
        }
        answers.pop_front();
    }
    if (top.m_axi_wvalid && top.m_axi_wready) {
        Burst& burst = writes.front();
        Beat x{burst.address + burst.done * beat, Bytes(beat), Bytes((beat + 7) / 8)};
        memcpy(x.data.data(), &top.m_axi_wdata, x.data.size());
        memcpy(x.strobes.data(), &top.m_axi_wstrb, x.strobes.size());
        unanswered.push_back(x);
        check(top.m_axi_wlast == (++burst.done == burst.beats), 7);
        if (top.m_axi_wlast) {
            answers.push_back({0, burst.beats, 0, cycle + latency, {}});
            writes.pop_front();
        }
    }
    if (top.m_axi_arvalid && top.m_axi_arready) {  // read at once, as early as AXI allows
        Burst burst = burst_of(top.m_axi_araddr, top.m_axi_arlen, 3);
        const auto first = memory.begin() + burst.address;
        burst.data.assign(first, first + burst.beats * beat);
        reads.push_back(burst);
    }
    if (top.m_axi_awvalid && top.m_axi_awready) writes.push_back(burst_of(top.m_axi_awaddr, top.m_axi_awlen, 4));
    top.aclk = 1;
    top.eval();
    cycle++;
}

void set(unsigned address, unsigned value) {
    top.s_axi_awaddr = address;
    top.s_axi_wdata = value;
    top.s_axi_wstrb = 15;
    top.s_axi_bready = 1;
    for (bool sent = false, data = false, answered = false; !answered;) {
        top.s_axi_awvalid = !sent;
        top.s_axi_wvalid = !data;
        top.aclk = 0;
        top.eval();
        const bool taken = top.s_axi_awready, copied = top.s_axi_wready;
        answered = top.s_axi_bvalid;
        tick();
        sent |= taken;
        data |= copied;
    }
    top.s_axi_awvalid = top.s_axi_wvalid = 0;
}

unsigned get(unsigned address) {
    top.s_axi_araddr = address;
    top.s_axi_rready = 1;
    for (bool sent = false;;) {
        top.s_axi_arvalid = !sent;
        top.aclk = 0;
        top.eval();
        const bool taken = top.s_axi_arready, answered = top.s_axi_rvalid;
        const unsigned value = top.s_axi_rdata;
        tick();
        sent |= taken;
        if (answered) return value;
    }
}

int main(int argc, char** argv) {
    std::ifstream file(argv[1], std::ios::binary);
    memory = Bytes(std::istreambuf_iterator<char>(file), {});
    origin = strtoull(argv[3], nullptr, 10);
    beat = atoi(argv[4]);
    const Time code = origin + strtoull(argv[5], nullptr, 10), words = origin + strtoull(argv[6], nullptr, 10);
    latency = atoi(argv[8]);
    stalls = atoi(argv[9]);
    chance.seed(atoi(argv[10]));
    Verilated::commandArgs(argc, argv);
    Verilated::randReset(2);  // random initial values
    Verilated::randSeed(atoi(argv[10]) + 1);
    top.aresetn = 0;
    for (int half = 0; half < 4; half++) {
        top.aclk = half & 1;
        top.eval();
    }
    top.aresetn = 1;
    set(@INTERRUPT_ENABLE@, 1);
    set(@CODE_LOW@, code);
    set(@CODE_HIGH@, code >> 32);
    set(@MEMORY_LOW@, words);
    set(@MEMORY_HIGH@, words >> 32);
    set(@COUNT@, atoi(argv[7]));
    set(@CONTROL@, 1);
    while (!top.__SYM__interrupt) {  // so does Verilator call a word that it takes for reserved
        tick();
        check(cycle < 4000000000ull, 5);
    }
    const unsigned error = get(@ERROR@), taken = get(@TAKEN@), low = get(@CYCLES_LOW@);
    printf("%u %u %llu\n", error, taken, (Time)get(@CYCLES_HIGH@) << 32 | low);
    check(reads.empty() && writes.empty() && answers.empty(), 8);
    std::ofstream(argv[2], std::ios::binary).write((const char*)memory.data(), memory.size());
    return 0;
}
"""
AXI_HARNESS = re.sub('@([A-Z_]+)@', lambda found: hex(Register[found[1]]), AXI_HARNESS)
