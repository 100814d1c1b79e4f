// The largest of kernel x kernel pixels around each pixel of a stream, stride 1; pixels outside do not count.
#ifndef PADDED_MAX_POOL_H_
#define PADDED_MAX_POOL_H_

#include "hls_stream.h"
#include "nnet_common.h"
#include "utils/x_hls_utils.h"

namespace nnet {

struct padded_max_pool_config {
    static const unsigned height = 1;
    static const unsigned width = 1;
    static const unsigned n_chan = 1;
    static const unsigned kernel = 3;
};

// Every step takes one place of the map and gives the place `edge` rows and columns before it: the column of the
// last `kernel` rows is reduced to one value, and the last `kernel` such values are reduced to the result.
template <class data_T, class res_T, typename CONFIG_T>
void padded_max_pool(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typedef typename data_T::value_type value_T;
    static const unsigned edge = CONFIG_T::kernel / 2;
    const value_T lowest = hls::numeric_limits<value_T>::min();

    value_T rows[CONFIG_T::kernel - 1][CONFIG_T::width][CONFIG_T::n_chan]; // newest first
    value_T columns[CONFIG_T::kernel][CONFIG_T::n_chan];                   // newest first
    #pragma HLS ARRAY_PARTITION variable=rows complete dim=1
    #pragma HLS ARRAY_RESHAPE variable=rows complete dim=3
    #pragma HLS ARRAY_PARTITION variable=columns complete dim=0

ClearRows:
    for (unsigned w = 0; w < CONFIG_T::width; w++) {
        #pragma HLS PIPELINE II=1
        for (unsigned k = 0; k < CONFIG_T::kernel - 1; k++) {
            for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                rows[k][w][c] = lowest;
            }
        }
    }

Height:
    for (unsigned h = 0; h < CONFIG_T::height + edge; h++) {
    Width:
        for (unsigned w = 0; w < CONFIG_T::width + edge; w++) {
            #pragma HLS LOOP_FLATTEN
            #pragma HLS PIPELINE II=1
            data_T place;
            if (h < CONFIG_T::height && w < CONFIG_T::width) {
                place = data.read();
            } else {
                for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                    #pragma HLS UNROLL
                    place[c] = lowest;
                }
            }

            res_T result;
            PRAGMA_DATA_PACK(result)
        Channels:
            for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
                #pragma HLS UNROLL
                value_T column = place[c];
                if (w < CONFIG_T::width) {
                    value_T moved = place[c];
                    for (unsigned k = 0; k < CONFIG_T::kernel - 1; k++) {
                        const value_T row = rows[k][w][c];
                        if (row > column) {
                            column = row;
                        }
                        rows[k][w][c] = moved;
                        moved = row;
                    }
                }

                value_T largest = column;
                for (unsigned k = CONFIG_T::kernel - 1; k > 0; k--) {
                    const value_T before = (w == 0) ? lowest : columns[k - 1][c];
                    columns[k][c] = before;
                    if (before > largest) {
                        largest = before;
                    }
                }
                columns[0][c] = column;
                result[c] = largest;
            }
            if (h >= edge && w >= edge) {
                res.write(result);
            }
        }
    }
}

} // namespace nnet
#endif
