"""The C++ around the Verilator model: feeds instructions, is the memory outside, counts cycles. Ours."""

HARNESS = r"""
// arguments: instructions, memory before, memory after, bytes of an instruction, bytes of a word, latency of a read,
// percent of the cycles in which each ready or valid of the memory is 0, their seed
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>
#include "Vaccelerator.h"
#include "verilated.h"

const int UNITS = 3;
using Bytes = std::vector<char>;
double sc_time_stamp() { return 0; }

struct Run { size_t address, words; unsigned long long from; };  // `from`: first cycle of an answer

Bytes read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

void step(std::deque<Run>& runs) {  // past the next word
    runs.front().address++;
    if (!--runs.front().words) runs.pop_front();
}

int main(int argc, char** argv) {
    const Bytes code = read_file(argv[1]);
    Bytes memory = read_file(argv[2]);
    const size_t size = atoi(argv[4]), word = atoi(argv[5]), latency = atoi(argv[6]);
    const unsigned stalls = atoi(argv[7]);
    std::mt19937 random(atoi(argv[8]));
    const auto go = [&] { return !stalls || random() % 100 >= stalls; };
    const auto outside = [&](const Run& run) { return (run.address + run.words) * word > memory.size(); };
    Verilated::commandArgs(argc, argv);
    Verilated::randReset(2);  // random initial values
    Verilated::randSeed(atoi(argv[8]) + 1);
    Vaccelerator top;
    std::deque<Run> reads, writes;
    const size_t count = code.size() / size;
    size_t next = 0;
    unsigned long long first = 0;  // cycle in which the first instruction is taken
    top.begin = 0;  // instructions are counted from the reset on
    top.rst = 1;
    for (int half = 0; half < 4; half++) {
        top.clk = half & 1;
        top.eval();
    }
    top.rst = 0;
    for (unsigned long long cycle = 0; cycle < 4000000000ull; cycle++) {
        top.clk = 0;
        top.instruction_valid = next < count;
        if (next < count) memcpy(&top.instruction, &code[next * size], size);
        top.read_valid = !reads.empty() && cycle >= reads.front().from && go();
        if (top.read_valid) memcpy(&top.read_data, &memory[reads.front().address * word], word);
        top.read_request_ready = go();
        top.write_request_ready = go();
        top.write_ready = !writes.empty() && go();
        top.written = writes.empty() && go();
        top.eval();
        for (int unit = 0; unit < UNITS; unit++)
            if (top.done >> unit & 1) printf("%d %llu\n", unit, cycle - first);
        if (top.idle && next == count) {
            std::ofstream(argv[3], std::ios::binary).write(memory.data(), memory.size());
            return 0;
        }
        if (top.read_valid) step(reads);
        if (top.write && top.write_ready) {
            memcpy(&memory[writes.front().address * word], &top.write_data, word);
            step(writes);
        }
        if (top.read_request && top.read_request_ready) {
            const Run run{top.read_address, top.read_words + 1ull, cycle + latency};
            if (outside(run)) return 3;
            reads.push_back(run);
        }
        if (top.write_request && top.write_request_ready) {
            const Run run{top.write_address, top.write_words + 1ull, 0};
            if (outside(run)) return 4;
            writes.push_back(run);
        }
        if (top.instruction_ready && next < count) {
            if (!next) first = cycle;
            next++;
        }
        top.clk = 1;
        top.eval();
    }
    return 5;
}
"""
